//! A value of an option, as JavaScript has it.

use std::borrow::Cow;
use std::fmt;

use openssl::base64;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::values::secret::Secret;

/// A JSON value; Buffers have become bytes. Texts and bytes may be keys, and are overwritten when dropped.
#[derive(Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(Secret),
    Bytes(Secret),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Value {
        Value::Text(Secret::from(text.into()))
    }

    /// What JavaScript takes for true.
    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Bool(value) => *value,
            Value::Integer(value) => *value != 0,
            Value::Number(value) => *value != 0.0 && !value.is_nan(),
            Value::Text(text) => !text.is_empty(),
            Value::Bytes(_) | Value::List(_) | Value::Object(_) => true,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => str::from_utf8(text.as_bytes()).ok(),
            _ => None,
        }
    }

    /// The bytes of a text or a Buffer: what Node takes for PEM.
    pub(super) fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Text(bytes) | Value::Bytes(bytes) => Some(bytes.as_bytes()),
            _ => None,
        }
    }

    /// The bytes of a Buffer, or of a text in base64: what JSON has for DER. A text that is not base64 stays as it is.
    pub(super) fn as_binary(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Value::Bytes(bytes) => Some(Cow::Borrowed(bytes.as_bytes())),
            Value::Text(text) => {
                let packed: String = text
                    .as_bytes()
                    .iter()
                    .filter(|b| !b.is_ascii_whitespace())
                    .map(|b| char::from(*b))
                    .collect();
                Some(match base64::decode_block(&packed) {
                    Ok(bytes) if !bytes.is_empty() => Cow::Owned(bytes),
                    _ => Cow::Borrowed(text.as_bytes()),
                })
            }
            _ => None,
        }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Value::Integer(value) => Some(*value as f64),
            Value::Number(value) => Some(*value),
            _ => None,
        }
    }

    /// The elements of a list, or the one value.
    pub(super) fn items(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            one => std::slice::from_ref(one),
        }
    }

    pub(super) fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(fields) => {
                fields.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// What it is, for an error's text; never what is in it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Integer(_) | Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::Bytes(_) => "a Buffer",
            Value::List(_) => "an array",
            Value::Object(_) => "an object",
        }
    }

    /// `{"type":"Buffer","data":[...]}`, as `JSON.stringify` writes a Buffer.
    fn as_buffer(fields: &[(String, Value)]) -> Option<Vec<u8>> {
        let find = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        let Some(Value::List(data)) = find("data") else { return None };
        if fields.len() != 2 || find("type")?.as_text() != Some("Buffer") {
            return None;
        }
        let byte = |value: &Value| match value {
            Value::Integer(byte) => u8::try_from(*byte).ok(),
            _ => None,
        };
        data.iter().map(byte).collect()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of an option")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Number(value as f64), Value::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // JavaScript has one kind of number: 4.0 is the integer 4.
        let whole = value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_991.0;
        Ok(if whole { Value::Integer(value as i64) } else { Value::Number(value) })
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Secret::from(text)))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(Secret::from(text)))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(Secret::from(bytes)))
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Value, E> {
        Ok(Value::Bytes(Secret::from(bytes)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            fields.push(entry);
        }
        Ok(match Value::as_buffer(&fields) {
            Some(bytes) => Value::Bytes(Secret::from(bytes)),
            None => Value::Object(fields),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> Value {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_buffer_becomes_its_bytes_and_other_objects_stay() {
        assert_eq!(value(r#"{"type":"Buffer","data":[1,255]}"#).as_bytes(), Some(&[1, 255][..]));
        for other in [r#"{"type":"Buffer","data":[256]}"#, r#"{"type":"Blob","data":[]}"#, r#"{"data":[1]}"#]
        {
            assert_eq!(value(other).kind(), "an object", "{other}");
        }
    }

    #[test]
    fn truth_is_javascripts() {
        for (json, truth) in [
            ("null", false),
            ("false", false),
            ("0", false),
            ("-0.0", false),
            ("\"\"", false),
            ("true", true),
            ("-1", true),
            ("0.5", true),
            ("\"0\"", true),
            ("[]", true),
            ("{}", true),
        ] {
            assert_eq!(value(json).is_truthy(), truth, "{json}");
        }
    }

    #[test]
    fn binary_texts_are_base64_with_or_without_line_ends() {
        assert_eq!(value(r#""AQL/""#).as_binary().unwrap(), &[1, 2, 255][..]);
        assert_eq!(value("\"AQ\\nL/\\n\"").as_binary().unwrap(), &[1, 2, 255][..]);
        assert_eq!(value(r#""no base64!""#).as_binary().unwrap(), &b"no base64!"[..]);
    }
}
