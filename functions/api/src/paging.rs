//! Pages of lists: `page` and `per_page`, or `offset` and `limit`.

use lambda::http::ApiError;

use crate::validation::Checks;

const DEFAULT_PER_PAGE: i64 = 50;
const MAX_PER_PAGE: i64 = 100;
/// Far beyond any list, and far from overflowing when multiplied.
const MAX_PAGE: i64 = 1_000_000;

/// A page of a list, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Paging {
    /// Which page, from 1.
    pub page: i64,
    /// Rows on a page.
    pub per_page: i64,
}

impl Paging {
    pub(crate) fn new(page: Option<i64>, per_page: Option<i64>) -> Result<Self, ApiError> {
        let mut checks = Checks::default();
        let paging = Self::check(&mut checks, page, per_page);
        checks.finish()?;
        Ok(paging)
    }

    /// Beside other parameters.
    pub(crate) fn check(checks: &mut Checks, page: Option<i64>, per_page: Option<i64>) -> Self {
        let page = checks.range("page", page.unwrap_or(1), 1..=MAX_PAGE);
        let per_page = checks.range("per_page", per_page.unwrap_or(DEFAULT_PER_PAGE), 1..=MAX_PER_PAGE);
        Self { page, per_page }
    }

    pub(crate) const fn offset(self) -> i64 {
        (self.page - 1) * self.per_page
    }
}

/// A piece of a list, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    /// Rows to pass over.
    pub offset: i64,
    /// Rows to return.
    pub limit: i64,
}

impl Slice {
    pub(crate) fn new(offset: Option<i64>, limit: Option<i64>) -> Result<Self, ApiError> {
        let mut checks = Checks::default();
        let offset = checks.range("offset", offset.unwrap_or(0), 0..=MAX_PAGE * MAX_PER_PAGE);
        let limit = checks.range("limit", limit.unwrap_or(DEFAULT_PER_PAGE), 1..=MAX_PER_PAGE);
        checks.finish()?;
        Ok(Self { offset, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_defaults_and_bounds() {
        assert_eq!(Paging::new(None, None).unwrap(), Paging { page: 1, per_page: 50 });
        assert_eq!(Paging::new(Some(3), Some(20)).unwrap().offset(), 40);
        let error = Paging::new(Some(0), Some(101)).unwrap_err();
        assert_eq!(error.detail(), "page: must be 1 to 1000000, got 0; per_page: must be 1 to 100, got 101");
    }

    #[test]
    fn slices_have_defaults_and_bounds() {
        assert_eq!(Slice::new(None, None).unwrap(), Slice { offset: 0, limit: 50 });
        assert_eq!(
            Slice::new(Some(-1), None).unwrap_err().detail(),
            "offset: must be 0 to 100000000, got -1"
        );
    }
}
