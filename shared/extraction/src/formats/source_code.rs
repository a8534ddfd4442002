//! Source code: programming and configuration languages.

use domain::Layout;

use crate::EmptyReason;
use crate::Format;
use crate::text::TextReader;

const NAME: &str = "source code";

pub(super) static FORMAT: Format = Format {
    name: NAME,
    layout: Layout::Code,
    has_headings: false,
    signatures: &[],
    extensions: &[
        "py", "pyi", "js", "jsx", "mjs", "cjs", "ts", "mts", "cts", "tsx", "java", "kt", "kts", "go", "rs",
        "rb", "php", "c", "h", "cpp", "cc", "cxx", "hpp", "hh", "hxx", "cs", "swift", "scala", "dart", "lua",
        "pl", "pm", "r", "jl", "ex", "exs", "erl", "hs", "clj", "zig", "vue", "svelte", "sh", "bash", "zsh",
        "fish", "ps1", "bat", "cmd", "sql", "graphql", "gql", "proto", "tf", "hcl", "nix", "toml", "ini",
        "cfg", "conf", "env", "css", "scss", "less", "sass",
    ],
    file_names: &["makefile", "dockerfile", "go.mod", "go.sum", "go.work"],
    media_types: &["text/css", "text/javascript", "application/javascript"],
    is_start_of: |_| false,
    empty_reason: EmptyReason::OnlyWhiteSpace,
    open: |content_type| Box::new(TextReader::new(NAME, content_type)),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_code_is_detected_by_extension_file_name_and_media_type() {
        for (file_name, content_type) in [("main.rs", None), ("Makefile", None), ("x", Some("text/css"))] {
            let format = Format::detect(file_name, content_type, b"text").unwrap();
            assert_eq!((format.name(), format.layout()), (NAME, Layout::Code));
        }
    }
}
