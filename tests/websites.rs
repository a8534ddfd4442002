//! Websites as sources: crawled by links and sitemaps from a real web server, and read again for what changed.

use serde_json::{Value, json};
use testkit::{Stack, TestUser, WebServer};

/// A small site: pages that link to each other, and what a crawler must leave alone.
async fn site() -> WebServer {
    let server = WebServer::start(
        "location /moved { return 301 /docs/tides.html; }
        location /secret { return 403; }",
    )
    .await;
    let url = &server.url;
    server.write(
        "robots.txt",
        format!("User-agent: *\nDisallow: /docs/private/\nSitemap: {url}/sitemap.xml\n"),
    );
    server.write(
        "sitemap.xml",
        format!(
            r#"<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
            <url><loc>{url}/docs/orphan.html</loc></url><url><loc>{url}/outside/page.html</loc></url></urlset>"#
        ),
    );
    server.write(
        "docs/index.html",
        "<title>Guide</title><main><h1>Guide</h1><p>The start of the guide to the sea.</p>
        <a href='tides.html#top'>Tides</a> <a href='copy.html'>Copy</a> <a href='/moved'>Moved</a>
        <a href='private/plan.html'>Plan</a> <a href='gone.html'>Gone</a> <a href='/outside/page.html'>Outside</a>
        <a href='draft.html'>Draft</a> <a href='mailto:sea@example.org'>Mail</a></main>",
    );
    server.write(
        "docs/tides.html",
        "<title>Tides</title><nav><a href='./'>Guide</a></nav>
        <main><h1>Tides</h1><p>The Moon pulls the sea, which rises twice a day.</p>
        <h2 id='spring'>Spring tides</h2><p>At new and full moon the difference between high and low water is greatest.</p>
        <a href='/docs/deep/currents.html'>Currents</a></main>",
    );
    server.write(
        "docs/copy.html",
        "<link rel=canonical href='/docs/tides.html'><p>The Moon pulls the sea, which rises twice a day.</p>",
    );
    server.write(
        "docs/deep/currents.html",
        "<title>Currents</title><p>The Gulf Stream carries warm water north.</p>",
    );
    server.write("docs/private/plan.html", "<p>A secret plan.</p>");
    server.write(
        "docs/draft.html",
        "<meta name=robots content=noindex><p>A draft.</p><a href='noted.html'>Noted</a>",
    );
    server.write("docs/noted.html", "<title>Noted</title><p>Notes on salt and density of water.</p>");
    server.write(
        "docs/orphan.html",
        "<title>Orphan</title><p>Only the sitemap knows this page about herring.</p>",
    );
    server.write("outside/page.html", "<p>Another part of the site.</p>");
    server
}

async fn sync(user: &TestUser, collection: &str, source: &Value) -> Value {
    let path = format!("/api/v2/collections/{collection}/sources");
    let operation = user.post(&path, source).await.expect(202);
    let ended = user.wait_for_operation(operation["id"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "completed", "{ended}");
    ended["progress"]["by_state"].clone()
}

async fn names(user: &TestUser, collection: &str) -> Vec<String> {
    let documents =
        user.get(&format!("/api/v2/collections/{collection}/documents?per_page=100")).await.expect(200);
    let listed = documents["documents"].as_array().unwrap().iter();
    let mut names: Vec<String> = listed
        .filter(|document| document["status"] != "deleted")
        .map(|document| document["file_path"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

fn sorted(mut requests: Vec<String>) -> Vec<String> {
    requests.sort();
    requests
}

#[tokio::test]
async fn a_website_is_crawled_and_read_again_for_what_changed() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let server = site().await;
    let source = json!({
        "source_type": "web", "source_config": { "start_url": format!("{}/docs/", server.url) },
    });

    let first = sync(&user, &collection, &source).await;
    assert_eq!(first["completed"], 5, "{first}");
    assert_eq!(
        names(&user, &collection).await,
        ["docs/", "docs/deep/currents.html", "docs/noted.html", "docs/orphan.html", "docs/tides.html"]
    );
    // Each page once; what is disallowed, elsewhere or not there is not read.
    assert_eq!(
        sorted(server.take_requests()),
        [
            "/docs/copy.html 200",
            "/docs/deep/currents.html 200",
            "/docs/draft.html 200",
            "/docs/gone.html 404",
            "/docs/index.html 200",
            "/docs/noted.html 200",
            "/docs/orphan.html 200",
            "/docs/tides.html 200",
            "/robots.txt 200",
            "/sitemap.xml 200",
        ]
    );
    let hits = user.search(&collection, "when is the difference between high and low water greatest").await;
    assert!(hits[0]["text"].as_str().unwrap().contains("full moon"), "{hits:?}");
    assert_eq!(hits[0]["url"], format!("{}/docs/tides.html", server.url));

    // Nothing changed: every page is asked, none is transferred, and pages without links of their own stay.
    let second = sync(&user, &collection, &source).await;
    let counts =
        |states: &Value| ["unchanged", "completed", "removed"].map(|state| states[state].as_i64().unwrap());
    assert_eq!(counts(&second), [5, 0, 0], "{second}");
    let requests = server.take_requests();
    let transferred: Vec<&String> = requests.iter().filter(|request| request.ends_with(" 200")).collect();
    // robots.txt is read again by another process of the function.
    assert!(transferred.iter().all(|request| request.as_str() == "/robots.txt 200"), "{requests:?}");

    server.write(
        "docs/deep/currents.html",
        "<title>Currents</title><p>The Humboldt Current is cold and rich in fish.</p>",
    );
    server.delete("docs/orphan.html");
    let third = sync(&user, &collection, &source).await;
    assert_eq!(counts(&third), [3, 1, 1], "{third}");
    let hits = user.search(&collection, "a cold stream with many fish").await;
    assert!(hits[0]["text"].as_str().unwrap().contains("Humboldt"), "{hits:?}");
}

#[tokio::test]
async fn pages_are_read_one_by_one_without_following_links() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let server = site().await;
    let url = |path: &str| format!("{}{path}", server.url);
    let source = json!({
        "source_type": "url",
        "source_config": { "urls": [url("/moved"), url("/docs/draft.html"), url("/secret"), url("/docs/private/plan.html")] },
    });
    let path = format!("/api/v2/collections/{collection}/sources");
    let operation = user.post(&path, &source).await.expect(202);
    let ended = user.wait_for_operation(operation["id"].as_str().unwrap()).await;
    let states = &ended["progress"]["by_state"];
    assert_eq!((&states["completed"], &states["failed"]), (&json!(1), &json!(2)), "{ended}");
    let failed =
        user.get(&format!("/api/v2/collections/{collection}/documents?status=failed")).await.expect(200);
    let reasons: Vec<&str> = failed["documents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|document| document["error_message"].as_str().unwrap())
        .collect();
    assert!(reasons.iter().any(|reason| reason.contains("robots.txt")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("403")), "{reasons:?}");
}

#[tokio::test]
async fn a_site_that_is_down_removes_nothing() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let mut server = site().await;
    let source = json!({
        "source_type": "url",
        "source_config": { "urls": [format!("{}/docs/tides.html", server.url)] },
    });
    assert_eq!(sync(&user, &collection, &source).await["completed"], 1);
    server.stop();
    let tried =
        user.post(&format!("/api/v2/collections/{collection}/sources/test"), &source).await.expect(200);
    assert_eq!((&tried["ok"], &tried["is_temporary"]), (&json!(false), &json!(true)), "{tried}");
    assert_eq!(names(&user, &collection).await, ["docs/tides.html"]);
}

#[tokio::test]
async fn a_source_is_tried_before_it_is_added_and_internal_addresses_are_refused() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let server = site().await;
    let path = format!("/api/v2/collections/{collection}/sources/test");
    let source = json!({
        "source_type": "web", "source_config": { "start_url": format!("{}/docs/", server.url), "follow": "links" },
    });
    let tried = user.post(&path, &source).await.expect(200);
    assert_eq!((&tried["ok"], &tried["is_complete"]), (&json!(true), &json!(true)), "{tried}");
    let listed: Vec<&str> = tried["documents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["file_path"].as_str().unwrap())
        .collect();
    assert_eq!(listed, ["docs/", "docs/tides.html", "docs/deep/currents.html", "docs/noted.html"]);
    for internal in [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://10.0.0.1/",
        "http://0x7f000002/",
    ] {
        let source = json!({ "source_type": "url", "source_config": { "urls": [internal] } });
        let tried = user.post(&path, &source).await.expect(200);
        assert_eq!(
            (&tried["ok"], &tried["is_temporary"]),
            (&json!(false), &json!(false)),
            "{internal}: {tried}"
        );
        let added =
            user.post(&format!("/api/v2/collections/{collection}/sources"), &source).await.expect(202);
        let ended = user.wait_for_operation(added["id"].as_str().unwrap()).await;
        assert_eq!(ended["progress"]["by_state"]["failed"], 1, "{internal}: {ended}");
    }
}

#[tokio::test]
async fn a_crawl_under_way_can_be_cancelled() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let server = WebServer::start("").await;
    server.write("robots.txt", "User-agent: *\nCrawl-delay: 2\n");
    let links: String = (0..100).map(|number| format!("<a href='page{number}.html'>{number}</a>")).collect();
    server.write("index.html", format!("<main><h1>Long</h1><p>A long list of pages.</p>{links}</main>"));
    for number in 0..100 {
        server.write(&format!("page{number}.html"), format!("<p>Page {number} of the long list.</p>"));
    }
    let source =
        json!({ "source_type": "web", "source_config": { "start_url": format!("{}/", server.url) } });
    let path = format!("/api/v2/collections/{collection}/sources");
    let operation = user.post(&path, &source).await.expect(202);
    let id = operation["id"].as_str().unwrap();
    // All pages would take minutes.
    while server.take_requests().iter().all(|request| !request.contains("page")) {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    user.delete(&format!("/api/v2/operations/{id}")).await.expect(200);
    let ended = user.wait_for_operation(id).await;
    assert_eq!(ended["status"], "cancelled", "{ended}");
}

#[tokio::test]
async fn a_hit_links_to_the_heading_that_it_is_under() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let server = WebServer::start("").await;
    let filler =
        |about: &str| format!("<p>{}</p>", format!("The {about} is described at length. ").repeat(60));
    server.write(
        "manual.html",
        format!(
            "<title>Manual</title><main><h1>Manual</h1>{}<h2 id=pump>Pump</h2>{}<section id=valve><h2>Valve</h2>
            {}<p>Turn the red valve clockwise to stop the leak.</p></section></main>",
            filler("engine room"),
            filler("bilge pump"),
            filler("valve"),
        ),
    );
    let url = format!("{}/manual.html", server.url);
    let source = json!({ "source_type": "url", "source_config": { "urls": [url] } });
    assert_eq!(sync(&user, &collection, &source).await["completed"], 1);
    let hits = user.search(&collection, "how do I stop the leak with the red valve").await;
    assert_eq!(hits[0]["url"], format!("{url}#valve"), "{}", hits[0]);
    let hits = user.search(&collection, "bilge pump").await;
    assert_eq!(hits[0]["url"], format!("{url}#pump"), "{}", hits[0]);
}
