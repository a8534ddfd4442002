//! The files that people have: each kind is found by a question that only it answers, or refused when it is announced.

mod office;

use serde_json::json;
use testkit::{Stack, TestUser, Upload};

use crate::archives::gzip;
use crate::documents::{docx, mail, pdf, zip_of};

fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    archive.append_data(&mut header, name, content).unwrap();
    archive.into_inner().unwrap()
}

/// A file, a question, and the file that answers it.
type Kind = (&'static str, Vec<u8>, &'static str, &'static str);

fn texts() -> Vec<Kind> {
    let notebook = json!({
        "cells": [
            { "cell_type": "markdown", "metadata": {}, "source": ["The reef grows one centimetre a year."] },
            { "cell_type": "code", "metadata": {}, "execution_count": 1, "outputs": [], "source": ["grow()"] },
        ],
        "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
    });
    let of = |name, text: &str, question| (name, text.as_bytes().to_vec(), question, name);
    vec![
        of(
            "note.txt",
            "The ferry to the island leaves at seven.",
            "When does the ferry to the island leave?",
        ),
        of("manual.md", "# Kiln\n\nLet the kiln cool for nine hours.", "How long must the kiln cool?"),
        of("page.html", "<title>Bread</title><p>Rye bread needs sourdough.", "What does rye bread need?"),
        of("stock.csv", "item,shelf\nlanterns,fourteen\nropes,nine\n", "On which shelf are the lanterns?"),
        of("crew.tsv", "name\trole\nOlga\thelmswoman\n", "What is the role of Olga?"),
        of("config.json", "{\"sluice\": {\"opens_at\": \"high water\"}}", "When does the sluice open?"),
        of("events.jsonl", "{\"event\": \"the beacon failed at midnight\"}\n", "When did the beacon fail?"),
        of(
            "feed.xml",
            "<?xml version=\"1.0\"?><f><t>Herring swim in shoals.</t></f>",
            "How do herring swim?",
        ),
        of("deploy.yaml", "greenhouse:\n  heating: geothermal\n", "What heats the greenhouse?"),
        ("lab.ipynb", notebook.to_string().into_bytes(), "How fast does the reef grow?", "lab.ipynb"),
        of(
            "film.srt",
            "1\n00:00:01,000 --> 00:00:03,000\nThe otter stole my sandwich.\n",
            "What did the otter steal?",
        ),
        of(
            "talk.vtt",
            "WEBVTT\n\n00:01.000 --> 00:03.000\nGlaciers carve valleys.\n",
            "What carves valleys?",
        ),
        of(
            "tides.py",
            "def spring_tide(moon):\n    \"\"\"Predicts the spring tide.\"\"\"\n",
            "function that predicts the spring tide",
        ),
        of("server.log", "\u{1B}[31mERROR\u{1B}[0m the turbine overheated\n", "What overheated?"),
        of("map.svg", "<svg xmlns='http://www.w3.org/2000/svg'><text>Old quarry</text></svg>", "old quarry"),
        of("letter.rtf", r"{\rtf1\ansi The violin was made in Cremona.\par}", "Where was the violin made?"),
    ]
}

fn documents() -> Vec<Kind> {
    let page = "MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=b\r\nSubject: Saved\r\n\r\n--b\r\n\
        Content-Type: text/html; charset=utf-8\r\n\r\n<p>Saffron comes from crocuses.\r\n--b--\r\n";
    let mailbox = "From a@example.org Fri Nov 27 10:00:00 2026\nSubject: Owls\n\nOwls turn their heads by 270 degrees.\n";
    vec![
        (
            "report.pdf",
            pdf(&["Basalt columns form in cooling lava."]),
            "What forms basalt columns?",
            "report.pdf",
        ),
        (
            "offer.docx",
            docx("The carpenter offers oak shelves."),
            "What does the carpenter offer?",
            "offer.docx",
        ),
        ("talk.pptx", office::pptx("Bats navigate by echoes."), "How do bats navigate?", "talk.pptx"),
        (
            "costs.xlsx",
            office::xlsx(&[["part", "crowns"], ["rudder", "eighty"]]),
            "What does the rudder cost in crowns?",
            "costs.xlsx",
        ),
        ("essay.odt", office::odt("Chess came from India."), "Where did chess come from?", "essay.odt"),
        (
            "table.ods",
            office::ods(&[["planet", "moons"], ["Mars", "two moons"]]),
            "How many moons has Mars?",
            "table.ods",
        ),
        ("slides.odp", office::odp("Amber is fossil resin."), "What is amber?", "slides.odp"),
        (
            "novel.epub",
            office::epub("The smuggler hid the map in a clock."),
            "Where did the smuggler hide the map?",
            "novel.epub",
        ),
        (
            "invoice.eml",
            mail("Saddle", "The new saddle costs sixty ducats."),
            "How many ducats does the saddle cost?",
            "invoice.eml",
        ),
        ("saved.mhtml", page.as_bytes().to_vec(), "Where does saffron come from?", "saved.mhtml"),
        (
            "inbox.mbox",
            mailbox.as_bytes().to_vec(),
            "How far do owls turn their heads?",
            "inbox.mbox!/000001 Owls.eml",
        ),
        (
            "papers.zip",
            zip_of(&[("a/cranes.txt", "Cranes fly south in October.")]),
            "When do cranes fly south?",
            "papers.zip!/a/cranes.txt",
        ),
        (
            "backup.tar",
            tar("geysers.txt", b"Geysers erupt with hot water."),
            "What erupts with hot water?",
            "backup.tar!/geysers.txt",
        ),
        (
            "rotated.log.gz",
            gzip(b"the conveyor belt stopped at noon"),
            "When did the conveyor belt stop?",
            "rotated.log.gz!/rotated.log",
        ),
        (
            "all.tar.gz",
            gzip(&tar("yeast.md", b"# Yeast\n\nYeast makes dough rise.")),
            "What makes dough rise?",
            "all.tar.gz!/yeast.md",
        ),
    ]
}

#[tokio::test]
async fn each_kind_of_file_answers_its_question() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let kinds: Vec<Kind> = texts().into_iter().chain(documents()).collect();
    let uploads: Vec<Upload> =
        kinds.iter().map(|(name, bytes, ..)| Upload::file(name, bytes.clone())).collect();
    for document in user.upload(&collection, &uploads).await {
        let reason = document["error_message"].as_str().unwrap_or_default();
        let is_container = document["status"] == "skipped" && reason.ends_with("is a document of its own");
        assert!(document["status"] == "completed" || is_container, "{document}");
    }
    user.wait_until_idle(&collection).await;
    let mut wrong = Vec::new();
    for (_, _, question, file) in &kinds {
        let found = user.search(&collection, question).await;
        if found[0]["file_name"] != *file {
            wrong.push(format!("{question} {file}: {}", found[0]["file_name"]));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[tokio::test]
async fn what_no_reader_knows_is_refused_with_a_reason_before_it_is_uploaded() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    for name in ["film.mp4", "song.mp3", "setup.exe", "font.woff2", "old.rar", "old.7z"] {
        let files = json!({ "files": [{ "name": name, "size": 10 }] });
        let refused =
            user.post(&format!("/api/v2/collections/{collection}/uploads"), &files).await.expect(422);
        let detail = refused["detail"].as_str().unwrap();
        assert!(detail.starts_with("files[0].name: ") && detail.contains("cannot be read"), "{detail}");
    }
}
