//! The X-Ray trace of an invocation, so that its log lines are found by the trace and the other way round.

use http::request::Parts;
use lambda_http::RequestExt;

/// The header by which API Gateway and X-Ray pass the trace.
const HEADER: &str = "x-amzn-trace-id";

/// Returns the id of a trace header, `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=…;Sampled=1`.
pub(crate) fn id(header: &str) -> Option<String> {
    let root = header.split(';').find_map(|field| field.trim().strip_prefix("Root="))?;
    // A client can set the header: nothing else of it reaches the logs.
    let is_id = root.len() <= 64 && root.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_id.then(|| root.to_owned())
}

/// Returns the trace of an HTTP request: that of the invocation, else the one that API Gateway has passed on.
pub(crate) fn of_request(parts: &Parts) -> Option<String> {
    let context = parts.lambda_context_ref().and_then(|context| context.xray_trace_id.as_deref());
    let header = parts.headers.get(HEADER).and_then(|value| value.to_str().ok());
    context.or(header).and_then(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_root_of_the_trace() {
        let root = "1-5759e988-bd862e3fe1be46a994272793";
        assert_eq!(id(&format!("Root={root};Parent=53995c3f42cd8ad8;Sampled=1")).as_deref(), Some(root));
        assert_eq!(id(&format!("Self=1-1-1; Root={root}")).as_deref(), Some(root));
        for other in ["", "Parent=53995c3f42cd8ad8", "Root=<script>", &format!("Root={}", "a".repeat(65))] {
            assert_eq!(id(other), None, "{other}");
        }
    }

    #[test]
    fn a_request_without_an_invocation_has_the_trace_of_its_header() {
        let (parts, ()) =
            http::Request::get("/").header(HEADER, "Root=1-a-b;Sampled=0").body(()).unwrap().into_parts();
        assert_eq!(of_request(&parts).as_deref(), Some("1-a-b"));
    }
}
