//! Columns of the audit log that somebody may have changed to what can't be read. One such row must not hide
//! the others, so that reading a column never fails: it returns that it can't be read.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::types::Json;
use sqlx::{Decode, Postgres, Type};

/// How deep lists and objects of a detail may be nested. `serde_json` reads 128 levels, and a reader of the
/// log has the detail within other objects.
const DEEPEST: usize = 100;
/// The Unix time in microseconds from which Postgres counts: 2000-01-01.
const EPOCH: i64 = 946_684_800_000_000;

/// A time; none for `infinity` and others that have no date.
#[derive(Debug)]
pub(super) struct Time(pub(super) Option<DateTime<Utc>>);

/// A detail; none where it has a number that no program reads, or is nested too deeply.
#[derive(Debug)]
pub(super) struct Detail(pub(super) Option<Value>);

/// A list of texts; none where it has nulls, or lists.
#[derive(Debug)]
pub(super) struct Texts(pub(super) Option<Vec<String>>);

impl Type<Postgres> for Texts {
    fn type_info() -> PgTypeInfo {
        <Vec<String> as Type<Postgres>>::type_info()
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        <Vec<String> as Type<Postgres>>::compatible(ty)
    }
}

impl<'r> Decode<'r, Postgres> for Texts {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(<Vec<String> as Decode<Postgres>>::decode(value).ok()))
    }
}

impl Type<Postgres> for Time {
    fn type_info() -> PgTypeInfo {
        <DateTime<Utc> as Type<Postgres>>::type_info()
    }
}

impl<'r> Decode<'r, Postgres> for Time {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        // The decoder of `chrono` panics on times that it has no value for.
        let microseconds = <i64 as Decode<Postgres>>::decode(value)?;
        let since_epoch = DateTime::from_timestamp_micros(EPOCH);
        let time = since_epoch
            .and_then(|epoch| epoch.checked_add_signed(TimeDelta::microseconds(microseconds)));
        Ok(Self(time))
    }
}

impl Type<Postgres> for Detail {
    fn type_info() -> PgTypeInfo {
        <Json<Value> as Type<Postgres>>::type_info()
    }

    fn compatible(ty: &PgTypeInfo) -> bool {
        <Json<Value> as Type<Postgres>>::compatible(ty)
    }
}

impl<'r> Decode<'r, Postgres> for Detail {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let value = <Json<Value> as Decode<Postgres>>::decode(value).ok();
        Ok(Self(
            value
                .map(|Json(value)| value)
                .filter(|value| is_flat(value, DEEPEST)),
        ))
    }
}

/// Returns whether a value has at most this many levels of lists and objects.
fn is_flat(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else {
        return !value.is_array() && !value.is_object();
    };
    match value {
        Value::Array(items) => items.iter().all(|item| is_flat(item, below)),
        Value::Object(members) => members.values().all(|member| is_flat(member, below)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
    }

    #[test]
    fn a_detail_may_be_nested_up_to_a_limit() {
        assert!(is_flat(&nested(0), 0));
        assert!(is_flat(&nested(DEEPEST), DEEPEST));
        assert!(!is_flat(&nested(DEEPEST + 1), DEEPEST));
    }
}
