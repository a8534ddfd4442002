//! Deserialization of request bodies and query parameters.
//!
//! serde_json would stop at the first unknown field of a type with `deny_unknown_fields`, and pass over all
//! of them in any other type. This collects them at every depth of every type, each with the fields that are
//! allowed in its place, and names the path of a field of the wrong type.

use std::cell::RefCell;
use std::fmt::{self, Display};

use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::field_errors::{FieldErrors, quoted};

/// The most items of any list in a request body, at any depth. Most fields allow fewer; this holds before anything is
/// done with a list, so nothing needs to be linear in the size of the body.
const MAX_ITEMS: usize = 1000;

/// Reads a request body.
///
/// # Errors
/// Returns every unknown field, and the first field that is missing or of a wrong type.
pub(super) fn read_body<T: DeserializeOwned>(body: Value) -> Result<T, FieldErrors> {
    if !body.is_object() {
        let mut errors = FieldErrors::default();
        errors.add("body", wrong_type("an object", &describe(&body)).message);
        return Err(errors);
    }
    read(body, Format::Json)
}

/// Reads query parameters, whose values are texts. Parameters that `T` does not know belong to other
/// extractors of the same route, see [`super::query::refuse_unknown`].
///
/// # Errors
/// Returns the first parameter that is missing or of a wrong type.
pub(super) fn read_query<T: DeserializeOwned>(parameters: Map<String, Value>) -> Result<T, FieldErrors> {
    read(Value::Object(parameters), Format::Query)
}

fn read<T: DeserializeOwned>(value: Value, format: Format) -> Result<T, FieldErrors> {
    let unknown = RefCell::new(FieldErrors::default());
    let result = T::deserialize(Node { value, path: &Path::Root, format, unknown: &unknown });
    let mut errors = unknown.into_inner();
    match result {
        Ok(read) if errors.is_empty() => return Ok(read),
        Ok(_) => {}
        Err(error) => {
            let error = error.at(&Path::Root);
            errors.add(error.field, error.message);
        }
    }
    Err(errors)
}

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    /// Numbers and booleans are texts.
    Query,
}

/// Where a value is in the request.
enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => formatter.write_str(name),
            Self::Field(parent, name) => write!(formatter, "{parent}.{name}"),
            Self::Index(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

/// A value on its way into a type.
struct Node<'p> {
    value: Value,
    path: &'p Path<'p>,
    format: Format,
    unknown: &'p RefCell<FieldErrors>,
}

impl Node<'_> {
    /// The value of a query parameter as a number or a boolean.
    fn parse_text<T: std::str::FromStr>(&self) -> Option<T> {
        match (&self.value, self.format) {
            (Value::String(text), Format::Query) => text.parse().ok(),
            _ => None,
        }
    }
}

/// Deserializes numbers and booleans from the texts of query parameters.
macro_rules! scalars {
    ($($method:ident => $visit:ident: $type:ty,)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.parse_text::<$type>() {
                Some(value) => visitor.$visit(value),
                None => self.deserialize_any(visitor),
            }
        })+
    };
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Self { value, path, format, unknown } = self;
        match value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(flag),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => visitor.visit_u64(number),
                (_, Some(number)) => visitor.visit_i64(number),
                _ => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) if items.len() > MAX_ITEMS => Err(Error::new(format!(
                "wrong number of items; at most {MAX_ITEMS} allowed, got {}",
                items.len()
            ))),
            Value::Array(items) => {
                visitor.visit_seq(Items { items: items.into_iter().enumerate(), path, format, unknown })
            }
            Value::Object(object) => {
                visitor.visit_map(Fields { entries: object.into_iter(), next: None, path, format, unknown })
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Self { value, path, format, unknown } = self;
        match value {
            Value::String(text) => {
                let variant: StringDeserializer<Error> = text.into_deserializer();
                visitor.visit_enum(variant)
            }
            Value::Object(object) => visitor.visit_enum(MapAccessDeserializer::new(Fields {
                entries: object.into_iter(),
                next: None,
                path,
                format,
                unknown,
            })),
            value => Err(unknown_value(&describe(&value), variants)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Self { value, path, format, unknown } = self;
        let Value::Object(mut object) = value else {
            // An array would be read as the fields in the order of their declaration.
            return Err(wrong_type("an object", &describe(&value)));
        };
        if format == Format::Json {
            object.retain(|name, _| {
                let is_known = fields.contains(&name.as_str());
                if !is_known {
                    let field = Path::Field(path, name).to_string();
                    unknown.borrow_mut().add(field, unknown_field(name, fields));
                }
                is_known
            });
        }
        visitor.visit_map(Fields { entries: object.into_iter(), next: None, path, format, unknown })
    }

    scalars! {
        deserialize_bool => visit_bool: bool,
        deserialize_i8 => visit_i64: i64,
        deserialize_i16 => visit_i64: i64,
        deserialize_i32 => visit_i64: i64,
        deserialize_i64 => visit_i64: i64,
        deserialize_u8 => visit_u64: u64,
        deserialize_u16 => visit_u64: u64,
        deserialize_u32 => visit_u64: u64,
        deserialize_u64 => visit_u64: u64,
        deserialize_f32 => visit_f64: f64,
        deserialize_f64 => visit_f64: f64,
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier ignored_any
        i128 u128
    }
}

struct Fields<'p> {
    entries: serde_json::map::IntoIter,
    next: Option<(String, Value)>,
    path: &'p Path<'p>,
    format: Format,
    unknown: &'p RefCell<FieldErrors>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, value)) = self.entries.next() else {
            return Ok(None);
        };
        let key: StringDeserializer<Error> = name.clone().into_deserializer();
        let key = seed.deserialize(key).map_err(|error| error.at(&Path::Field(self.path, &name)))?;
        self.next = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some((name, value)) = self.next.take() else {
            return Err(de::Error::custom("a value was read before its key"));
        };
        let path = Path::Field(self.path, &name);
        let node = Node { value, path: &path, format: self.format, unknown: self.unknown };
        seed.deserialize(node).map_err(|error| error.at(&path))
    }
}

struct Items<'p> {
    items: std::iter::Enumerate<std::vec::IntoIter<Value>>,
    path: &'p Path<'p>,
    format: Format,
    unknown: &'p RefCell<FieldErrors>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some((index, value)) = self.items.next() else {
            return Ok(None);
        };
        let path = Path::Index(self.path, index);
        let node = Node { value, path: &path, format: self.format, unknown: self.unknown };
        seed.deserialize(node).map(Some).map_err(|error| error.at(&path))
    }
}

/// What is wrong with a field, in the grammar of [`FieldErrors`].
#[derive(Debug)]
struct Error {
    /// The path of the field, once it is known; before, the rest of it below the value that is being read.
    field: String,
    is_located: bool,
    message: String,
}

impl Error {
    fn new(message: String) -> Self {
        Self { field: String::new(), is_located: false, message }
    }

    /// Adds the path, unless a deeper one is known.
    fn at(mut self, path: &Path<'_>) -> Self {
        if !self.is_located {
            self.field = match self.field.as_str() {
                "" => path.to_string(),
                rest => Path::Field(path, rest).to_string(),
            };
            self.is_located = true;
        }
        self
    }
}

impl Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(got: Unexpected<'_>, expected: &dyn Expected) -> Self {
        wrong_type(&allowed(expected), &received(got))
    }

    fn invalid_value(got: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("out of range; {} allowed, got {}", allowed(expected), received(got)))
    }

    fn unknown_variant(got: &str, variants: &'static [&'static str]) -> Self {
        unknown_value(&quoted(got), variants)
    }

    fn unknown_field(got: &str, fields: &'static [&'static str]) -> Self {
        Self::new(unknown_field(got, fields))
    }

    fn missing_field(field: &'static str) -> Self {
        Self {
            field: field.to_owned(),
            is_located: false,
            message: "missing; this field is required".to_owned(),
        }
    }
}

fn unknown_value(got: &str, allowed: &[&str]) -> Error {
    Error::new(format!("unknown value; {} allowed, got {got}", allowed.join(", ")))
}

fn wrong_type(allowed: &str, got: &str) -> Error {
    Error::new(format!("wrong type; {allowed} allowed, got {got}"))
}

pub(super) fn unknown_field(name: &str, allowed: &[impl AsRef<str>]) -> String {
    let name = quoted(name).replace('"', "`");
    if allowed.is_empty() {
        return format!("unknown field {name}; none are allowed");
    }
    let allowed: Vec<String> = allowed.iter().map(|field| format!("`{}`", field.as_ref())).collect();
    format!("unknown field {name}; allowed are {}", allowed.join(", "))
}

/// Names a type in the words of JSON: serde names Rust's.
fn allowed(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    match text.as_str() {
        "i8" | "i16" | "i32" | "i64" => "an integer".to_owned(),
        "u8" | "u16" | "u32" | "u64" | "usize" => "an integer of at least 0".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a map" => "an object".to_owned(),
        "a sequence" => "a list".to_owned(),
        text if text.starts_with("struct ") => "an object".to_owned(),
        text => text.to_owned(),
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        scalar => scalar.to_string(),
    }
}

fn received(got: Unexpected<'_>) -> String {
    match got {
        Unexpected::Bool(flag) => flag.to_string(),
        Unexpected::Unsigned(number) => number.to_string(),
        Unexpected::Signed(number) => number.to_string(),
        Unexpected::Float(number) => number.to_string(),
        Unexpected::Str(text) => quoted(text),
        Unexpected::Unit | Unexpected::Option => "null".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "an object".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
