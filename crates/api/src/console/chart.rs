//! The chart of the calls to IAM, minute by minute.

use engine_roles_provisioner::{CallCounts, CallHistory};
use maud::{Markup, html};

/// The width of a minute and the height of the chart, in the units of the drawing.
const MINUTE: u32 = 10;
const HEIGHT: u32 = 80;
/// The height of the mark of a minute without calls.
const IDLE: u32 = 2;

/// Draws the calls of the last hour. The text beside the chart has the same numbers.
pub(super) fn calls(history: &CallHistory) -> Markup {
    let most = history.minutes.iter().map(CallCounts::sent).max();
    let most = most.unwrap_or_default().max(1);
    let width = u32::try_from(history.minutes.len()).unwrap_or_default() * MINUTE;
    let bars = history.minutes.iter().zip(0..).map(|(minute, place)| {
        let sent = scaled(minute.sent(), most);
        let troubled = scaled(minute.throttled + minute.denied + minute.failed, most);
        (place * MINUTE, sent, troubled)
    });
    html! {
        svg.chart viewBox={"0 0 " (width) " " (HEIGHT)} preserveAspectRatio="none" aria-hidden="true" {
            @for (left, sent, troubled) in bars {
                @if sent == 0 {
                    rect.idle x=(left + 1) y=(HEIGHT - IDLE) width=(MINUTE - 2) height=(IDLE) {}
                } @else {
                    rect.sent x=(left + 1) y=(HEIGHT - sent) width=(MINUTE - 2) height=(sent) rx="1" {}
                    @if troubled > 0 {
                        rect.troubled x=(left + 1) y=(HEIGHT - troubled) width=(MINUTE - 2)
                            height=(troubled) rx="1" {}
                    }
                }
            }
        }
        p.axis aria-hidden="true" { span { "60 min ago" } span { "most per minute: " (most) } span { "now" } }
    }
}

/// Returns the height of a bar. A bar that is not empty can be seen.
fn scaled(count: u32, most: u32) -> u32 {
    if count == 0 {
        return 0;
    }
    let height = u64::from(count) * u64::from(HEIGHT) / u64::from(most);
    u32::try_from(height).unwrap_or(HEIGHT).clamp(3, HEIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_of_the_most_calls_is_as_high_as_the_chart_and_no_bar_is_invisible() {
        assert_eq!(scaled(0, 10), 0);
        assert_eq!(scaled(1, 1_000), 3);
        assert_eq!(scaled(5, 10), HEIGHT / 2);
        assert_eq!(scaled(u32::MAX, u32::MAX), HEIGHT);
    }
}
