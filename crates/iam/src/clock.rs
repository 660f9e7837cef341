//! How this machine's clock differs from AWS's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_sdk_iam::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_iam::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use crate::genuine::has_request_id;

/// How many seconds this machine's clock was ahead of AWS's at the last answer of AWS; negative where it
/// was behind. A clone shares the value.
///
/// AWS states the time of an answer in the header `Date`, to the second. The time that the answer took is
/// part of the difference.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClockDifference(Arc<Mutex<Option<i64>>>);

impl ClockDifference {
    pub(crate) fn last(&self) -> Option<i64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, date: &str, now: SystemTime) {
        let Ok(at_aws) = DateTime::from_str(date, Format::HttpDate) else {
            return;
        };
        let ahead = DateTime::from(now).secs() - at_aws.secs();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
    }
}

/// Compares the clocks at each answer of AWS, also at an error.
impl Intercept for ClockDifference {
    fn name(&self) -> &'static str {
        "ClockDifference"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let answer = context.response();
        if let Some(date) = answer.headers().get("date")
            && has_request_id(answer)
        {
            self.note(date, SystemTime::now());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_difference_is_in_seconds_and_signed() {
        let clock = ClockDifference::default();
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        // 784111777 seconds since 1970.
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (now, expected) in [(784_111_777, 0), (784_111_877, 100), (784_111_077, -700)] {
            clock.note(date, at(now));
            assert_eq!(clock.last(), Some(expected));
        }
        clock.note("yesterday", at(1));
        assert_eq!(clock.last(), Some(-700));
    }
}
