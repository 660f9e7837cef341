//! One connection.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, StatusCode};
use futures::FutureExt;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::debug;

use super::activity::{Activity, Cut, Phase};
use super::client::Client;
use super::limits::{BodyTime, LARGEST_HEAD};
use super::open::Place;
use super::stream::Stream;
use super::unreadable;

/// How long the rest of what a client sends is read and discarded after the last answer. Closing a
/// socket with unread bytes would reset the connection, and the client could lose the answer.
const LINGER: Duration = Duration::from_millis(500);

/// How often at most a connection is polled before it is closed: twice, or while it waits for a body. hyper
/// reads one part in each poll, of at most 16 kB, and a body has at most 256 kB.
const LAST_TURNS: usize = 64;

/// Answers the requests of one connection until the client or the service closes it.
pub(super) async fn serve<T>(
    io: T,
    client: Client,
    router: Arc<Router>,
    place: Place,
    stop: CancellationToken,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let place = Arc::new(place);
    let activity = &place.activity;
    let accepted = activity.state().since;
    let body_time = BodyTime::new(place.open().limits().slow_client, stop.clone());
    let service = service_fn(|request: Request<Incoming>| {
        let is_pipelined = place.activity.begins_pipelined();
        let (router, place) = (Router::clone(&router), Arc::clone(&place));
        let activity = Arc::clone(&place.activity);
        let stop = stop.clone();
        let is_body_read = Arc::new(AtomicBool::new(request.body().is_end_stream()));
        let mut request = request.map(|body| {
            let is_read = Arc::clone(&is_body_read);
            Body::new(RequestBody {
                body,
                activity,
                is_read,
            })
        });
        request.extensions_mut().insert(body_time.clone());
        client.describe(&mut request);
        Box::pin(async move {
            if is_pipelined {
                // Other connections are served first. hyper would answer the next requests of this
                // one without a pause. Meanwhile it is idle, so that it can make room.
                tokio::task::yield_now().await;
                place.activity.begin_answer();
            }
            let Ok(mut answer) = router.oneshot(request).await;
            // hyper closes the connection if the rest of the body does not follow at once, and the service
            // closes it when it stops. A client that is not told would send its next request on it.
            if !is_body_read.load(Ordering::Relaxed) || stop.is_cancelled() {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, Infallible>(answer.map(|body| AnswerBody { body, place }))
        })
    });
    let stream = Stream::new(io, Arc::clone(activity));
    // Other protocols than HTTP/1 have more states that a client can leave a connection in.
    let mut connection = http1::Builder::new()
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut is_stopping = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|cx| Pin::new(&mut connection).poll(cx)) => break Ok(ended),
            cut = activity.must_close() => {
                let turn = |cx: &mut Context<'_>| Pin::new(&mut connection).poll(cx);
                match last_turns(turn, activity).await {
                    LastTurns::Ended(ended) => break Ok(ended),
                    LastTurns::Nothing => break Err(cut),
                    // The connection ends after this answer. Otherwise a client that always has another
                    // request at hand could keep its place for ever.
                    LastTurns::Answering => {
                        Pin::new(&mut connection).graceful_shutdown();
                        place.open().can_make_room();
                    }
                }
            }
            () = stop.cancelled(), if !is_stopping => {
                is_stopping = true;
                let turn = |cx: &mut Context<'_>| Pin::new(&mut connection).poll(cx);
                match last_turns(turn, activity).await {
                    LastTurns::Ended(ended) => break Ok(ended),
                    LastTurns::Answering => Pin::new(&mut connection).graceful_shutdown(),
                    LastTurns::Nothing => match activity.state() {
                        state if state.idle_since().is_some() => break Ok(Ok(())),
                        // hyper would end it at once, but a request may be on its way.
                        state if state.unanswering_since().is_some() => {}
                        _ => Pin::new(&mut connection).graceful_shutdown(),
                    },
                }
            }
        }
    };
    let parts = connection.into_parts();
    let stream = parts.io.into_inner();
    finish(ended, stream, &parts.read_buf, accepted, &place).await;
}

/// Closes a connection after hyper has ended it, or the service has cut it. Says why, where the client has sent
/// a part of a request that hyper did not answer. `unread` is what the client has sent of the next request.
async fn finish<T>(
    ended: Result<hyper::Result<()>, Cut>,
    stream: Stream<T>,
    unread: &[u8],
    accepted: Instant,
    place: &Place,
) where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let state = place.activity.state();
    let (mut io, withheld) = stream.into_inner();
    // A last answer would seem to be the rest of one that is not written yet.
    let is_written = state.blocked_since.is_none();
    let withheld = withheld.map(|status| refine(status, unread));
    let is_head_unfinished = is_written && has_begun_head(state.phase, unread);
    let status = match ended {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            debug!(
                error = &error as &dyn std::error::Error,
                "connection ended with an error"
            );
            let withheld = withheld.filter(|_| is_written);
            withheld.or(is_head_unfinished.then_some(StatusCode::BAD_REQUEST))
        }
        Err(cut) => {
            debug!(reason = ?cut, "connection closed by the service");
            match cut {
                Cut::SlowHead | Cut::Replaced if is_head_unfinished => {
                    Some(StatusCode::REQUEST_TIMEOUT)
                }
                _ => {
                    // With TLS, the end of the connection is announced where the client reads it at once.
                    let _ = io.shutdown().now_or_never();
                    return;
                }
            }
        }
    };
    let begun = if is_head_unfinished {
        state.since
    } else {
        accepted
    };
    let last = status.map(|status| unreadable::answer(status, begun.elapsed()));
    close(io, last.as_deref().unwrap_or_default(), place).await;
}

/// Returns whether the client has sent a part of a head. The first bytes of it may have arrived together with
/// the request before.
fn has_begun_head(phase: Phase, unread: &[u8]) -> bool {
    match phase {
        Phase::Head => true,
        Phase::Idle => !unread.is_empty(),
        Phase::New | Phase::Body | Phase::Answering | Phase::Closing => false,
    }
}

/// How [`last_turns`] found a connection.
enum LastTurns<T> {
    /// The connection has ended.
    Ended(T),
    /// The service has an answer for the client by now.
    Answering,
    /// Nothing is lost with the connection.
    Nothing,
}

/// Polls a connection twice more before it is closed. hyper then writes what is ready, and reads a request that
/// has arrived. It may not have come to this: tokio pauses a task that does much in one poll. A connection that
/// waits for a body is polled several times, because a body comes in parts.
async fn last_turns<T>(
    mut turn: impl FnMut(&mut Context<'_>) -> Poll<T>,
    activity: &Activity,
) -> LastTurns<T> {
    for number in 0..LAST_TURNS {
        tokio::task::yield_now().await;
        if let Poll::Ready(ended) = poll_fn(|cx| Poll::Ready(turn(cx))).await {
            return LastTurns::Ended(ended);
        }
        if activity.keep() {
            return LastTurns::Answering;
        }
        // The first turn may end an answer and begin a request that pauses.
        if number > 0 && activity.state().phase != Phase::Body {
            break;
        }
    }
    LastTurns::Nothing
}

/// Returns the status of a head that hyper has rejected and not removed from its buffer. hyper does not
/// say whether the first line was too long, or the head.
fn refine(status: StatusCode, head: &[u8]) -> StatusCode {
    let is_first_line_unfinished = !head.contains(&b'\n');
    if status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE && is_first_line_unfinished {
        StatusCode::URI_TOO_LONG
    } else {
        status
    }
}

/// Writes the last answer and closes the connection, at most for [`LINGER`], and without delay where
/// another connection waits for the place.
pub(super) async fn close(mut io: impl AsyncRead + AsyncWrite + Unpin, last: &str, place: &Place) {
    place.activity.begin_closing();
    place.open().can_make_room();
    let closed = async {
        io.write_all(last.as_bytes()).await?;
        io.shutdown().await?;
        let mut discarded = [0; 1024];
        while io.read(&mut discarded).await? > 0 {}
        Ok::<_, std::io::Error>(())
    };
    tokio::select! {
        biased;
        // An error means that the client has closed the connection first.
        _ = timeout(LINGER, closed) => {}
        _ = place.activity.must_close() => {}
    }
}

/// The body of a request. Notes when the service waits for it, and when it has ended.
struct RequestBody {
    body: Incoming,
    activity: Arc<Activity>,
    is_read: Arc<AtomicBool>,
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let read = Pin::new(&mut self.body).poll_frame(cx);
        if read.is_pending() {
            self.activity.waits_for_body();
        }
        if matches!(read, Poll::Ready(None)) || self.body.is_end_stream() {
            self.is_read.store(true, Ordering::Relaxed);
        }
        read
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.activity.body_ended();
    }
}

/// The body of an answer. When hyper has taken all of it, the connection is idle.
struct AnswerBody {
    body: Body,
    place: Arc<Place>,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.place.activity.end_answer();
        self.place.open().can_make_room();
    }
}
