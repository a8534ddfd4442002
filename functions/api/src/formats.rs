//! The catalogue of formats: the kinds of documents that can be read.

use access::{Access, Route};
use axum::Json;
use domain::AccessLevel::Read;
use segmentation::ReadableFormat;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of formats.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(Route::requires(Access::Caller(Read)).handles(routes!(list)))
}

/// A kind of document that can be read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FormatResponse {
    /// Its name in messages.
    #[schema(example = "PDF document")]
    name: &'static str,
    /// File name extensions, in lower case.
    extensions: &'static [&'static str],
    /// Media types; `text/*` stands for every text type of no other format.
    media_types: &'static [&'static str],
    /// Whether a parser extracts its text, which takes a moment longer.
    needs_parser: bool,
    /// Whether only OCR reads it: refused in collections whose `ocr` is false.
    needs_ocr: bool,
}

impl From<ReadableFormat> for FormatResponse {
    fn from(format: ReadableFormat) -> Self {
        let ReadableFormat { name, extensions, media_types, needs_parser, needs_ocr } = format;
        Self { name, extensions, media_types, needs_parser, needs_ocr }
    }
}

/// The formats that can be read.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FormatsResponse {
    /// In the order in which messages name them.
    formats: Vec<FormatResponse>,
}

/// List the formats of documents
///
/// A file of another format is refused when it is announced, or fails with the reason when it is read. A file without a
/// known extension and media type is read if its bytes are those of one of these formats, or text.
#[utoipa::path(
    get, path = "/api/v2/formats", operation_id = "listFormats", tag = "formats",
    responses((status = 200, body = FormatsResponse)),
)]
pub(crate) async fn list() -> Json<FormatsResponse> {
    Json(FormatsResponse { formats: ReadableFormat::all().map(FormatResponse::from).collect() })
}
