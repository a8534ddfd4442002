//! Query parameters, and the pages of lists.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::field_errors::FieldErrors;
use super::fields::{read_query, unknown_field};
use super::problem::ApiError;

const DEFAULT_ITEMS: i64 = 50;
const MAX_ITEMS: i64 = 100;
/// Far beyond any list, and far from overflowing when multiplied.
const MAX_PAGE: i64 = 1_000_000;

/// Query parameters.
#[derive(Debug, Clone)]
pub struct ApiQuery<T>(pub T);

/// The query parameters of a list: a page, [`Page`] or [`OffsetPage`], and filters.
///
/// The errors of the page come with those of the filters: finish `errors` once the filters are checked.
#[derive(Debug)]
pub struct ListQuery<P, F> {
    /// The part of the list to return.
    pub page: P,
    /// The other parameters.
    pub filters: F,
    /// What is wrong with the page.
    pub errors: FieldErrors,
}

/// A part of a list, by page number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The number of the page, from 1.
    pub page: i64,
    /// Items on a page.
    pub per_page: i64,
}

/// A part of a list, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffsetPage {
    /// Items to skip.
    pub offset: i64,
    /// Items to return.
    pub limit: i64,
}

/// How a list is divided into parts.
pub trait Paging: Sized {
    /// The parameters as they are sent.
    type Parameters: DeserializeOwned;

    /// Applies the defaults and checks the bounds.
    fn check(parameters: Self::Parameters, errors: &mut FieldErrors) -> Self;
}

impl Page {
    /// Items before the page.
    pub const fn offset(self) -> i64 {
        (self.page - 1) * self.per_page
    }
}

/// The parameters of [`Page`].
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[doc(hidden)]
pub struct PageParameters {
    /// The number of the page, from 1.
    #[param(minimum = 1, maximum = 1_000_000, default = 1)]
    page: Option<i64>,
    /// Items on a page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    per_page: Option<i64>,
}

/// The parameters of [`OffsetPage`].
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[doc(hidden)]
pub struct OffsetParameters {
    /// Items to skip.
    #[param(minimum = 0, maximum = 100_000_000, default = 0)]
    offset: Option<i64>,
    /// Items to return.
    #[param(minimum = 1, maximum = 100, default = 50)]
    limit: Option<i64>,
}

impl Paging for Page {
    type Parameters = PageParameters;

    fn check(parameters: PageParameters, errors: &mut FieldErrors) -> Self {
        Self {
            page: errors.range("page", parameters.page.unwrap_or(1), 1..=MAX_PAGE),
            per_page: errors.range("per_page", parameters.per_page.unwrap_or(DEFAULT_ITEMS), 1..=MAX_ITEMS),
        }
    }
}

impl Paging for OffsetPage {
    type Parameters = OffsetParameters;

    fn check(parameters: OffsetParameters, errors: &mut FieldErrors) -> Self {
        Self {
            offset: errors.range("offset", parameters.offset.unwrap_or(0), 0..=MAX_PAGE * MAX_ITEMS),
            limit: errors.range("limit", parameters.limit.unwrap_or(DEFAULT_ITEMS), 1..=MAX_ITEMS),
        }
    }
}

impl IntoParams for Page {
    fn into_params(
        parameter_in: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        PageParameters::into_params(parameter_in)
    }
}

impl IntoParams for OffsetPage {
    fn into_params(
        parameter_in: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
    ) -> Vec<utoipa::openapi::path::Parameter> {
        OffsetParameters::into_params(parameter_in)
    }
}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let read = parameters(parts.uri.query().unwrap_or_default()).and_then(read_query);
        read.map(Self).map_err(FieldErrors::into_error)
    }
}

impl<S: Sync> FromRequestParts<S> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        page_only(parts)
    }
}

impl<S: Sync> FromRequestParts<S> for OffsetPage {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        page_only(parts)
    }
}

impl<P: Paging, F: DeserializeOwned, S: Sync> FromRequestParts<S> for ListQuery<P, F> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Self::read(parts.uri.query().unwrap_or_default()).map_err(FieldErrors::into_error)
    }
}

impl<P: Paging, F: DeserializeOwned> ListQuery<P, F> {
    fn read(query: &str) -> Result<Self, FieldErrors> {
        let parameters = parameters(query)?;
        let page = read_query(parameters.clone());
        match (page, read_query(parameters)) {
            (Ok(page), Ok(filters)) => {
                let mut errors = FieldErrors::default();
                let page = P::check(page, &mut errors);
                Ok(Self { page, filters, errors })
            }
            (Ok(page), Err(mut errors)) => {
                P::check(page, &mut errors);
                Err(errors)
            }
            (Err(mut errors), filters) => {
                if let Err(more) = filters {
                    errors.extend(more);
                }
                Err(errors)
            }
        }
    }
}

fn page_only<P: Paging>(parts: &Parts) -> Result<P, ApiError> {
    let read = parameters(parts.uri.query().unwrap_or_default()).and_then(read_query);
    let mut errors = FieldErrors::default();
    let page = P::check(read.map_err(FieldErrors::into_error)?, &mut errors);
    errors.finish()?;
    Ok(page)
}

/// Returns a parameter's value; an empty one counts as absent, since forms send their empty fields too.
pub fn non_empty(parameter: Option<&str>) -> Option<&str> {
    parameter.filter(|text| !text.is_empty())
}

/// Rejects parameters that a route does not declare.
///
/// # Errors
/// Returns 422 with each of them and the declared ones.
pub fn refuse_unknown(query: &str, declared: &[String]) -> Result<(), ApiError> {
    let mut errors = FieldErrors::default();
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        if !declared.iter().any(|declared| *declared == name) {
            let message = unknown_field(&name, declared).replacen("field", "query parameter", 1);
            errors.add(name, message);
        }
    }
    errors.finish()
}

/// The parameters by name.
///
/// # Errors
/// Returns those that occur more than once.
fn parameters(query: &str) -> Result<Map<String, Value>, FieldErrors> {
    let mut parameters = Map::new();
    let mut errors = FieldErrors::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if parameters.insert(name.to_string(), Value::from(value)).is_some() {
            errors.add(name, "repeated; one value allowed, got more");
        }
    }
    if errors.is_empty() { Ok(parameters) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Filters {
        source_id: Option<i64>,
        status: Option<String>,
    }

    fn list(query: &str) -> Result<(Page, Filters), String> {
        let text = |errors: FieldErrors| errors.into_error().detail().to_owned();
        let ListQuery { page, filters, errors } = ListQuery::<Page, Filters>::read(query).map_err(text)?;
        errors.finish().map_err(|error| error.detail().to_owned())?;
        Ok((page, filters))
    }

    #[test]
    fn pages_have_defaults_and_bounds() {
        let none = Filters { source_id: None, status: None };
        assert_eq!(list("").unwrap(), (Page { page: 1, per_page: 50 }, none));
        let (page, filters) = list("page=3&per_page=20&source_id=7&status=a%20b").unwrap();
        assert_eq!((page.offset(), filters.source_id, filters.status.as_deref()), (40, Some(7), Some("a b")));
        assert_eq!(non_empty(Some("")), None);
        let mut errors = FieldErrors::default();
        let parameters = OffsetParameters { offset: Some(-1), limit: None };
        assert_eq!(OffsetPage::check(parameters, &mut errors).limit, 50);
        assert_eq!(errors.into_error().detail(), "offset: out of range; 0 to 100000000 allowed, got -1");
    }

    #[test]
    fn everything_wrong_with_a_query_is_reported_at_once() {
        let refusals: Vec<String> =
            ["page=0&per_page=101", "page=0&source_id=x", "page=two&source_id=x", "status=a&status=b"]
                .into_iter()
                .map(|query| list(query).unwrap_err())
                .collect();
        insta::assert_snapshot!(refusals.join("\n"), @r#"
        page: out of range; 1 to 1000000 allowed, got 0; per_page: out of range; 1 to 100 allowed, got 101
        source_id: wrong type; an integer allowed, got "x"; page: out of range; 1 to 1000000 allowed, got 0
        page: wrong type; an integer allowed, got "two"; source_id: wrong type; an integer allowed, got "x"
        status: repeated; one value allowed, got more
        "#);
    }

    #[test]
    fn undeclared_parameters_are_named_with_those_that_are_declared() {
        let declared = ["page".to_owned(), "status".to_owned()];
        assert!(refuse_unknown("", &[]).is_ok());
        assert!(refuse_unknown("page=2&status=", &declared).is_ok());
        let refused = refuse_unknown("page=2&state=ready&%70er=1", &declared).unwrap_err();
        insta::assert_snapshot!(refused.detail(), @"state: unknown query parameter `state`; allowed are `page`, `status`; per: unknown query parameter `per`; allowed are `page`, `status`");
        assert_eq!(
            refuse_unknown("a", &[]).unwrap_err().detail(),
            "a: unknown query parameter `a`; none are allowed"
        );
    }
}
