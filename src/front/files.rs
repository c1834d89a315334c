//! Files of `public/` as answers: validators, ranges, types and compressed forms.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use edgehost_ext::message::{BoxError, ResponseBody, StreamEnd, StreamWriter, response_stream};
use futures::Stream;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, DATE, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Body as _;

use crate::version::{Coding, PublicFiles};

/// As Next.js has it: browsers ask each time whether it is still the same.
const REVALIDATE: HeaderValue = HeaderValue::from_static("public, max-age=0");

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// What of a request a file depends on, but for dates.
const CONDITIONS: [HeaderName; 4] = [IF_MATCH, IF_NONE_MATCH, IF_RANGE, RANGE];
const DATES: [HeaderName; 2] = [IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];

/// The answer to a GET or HEAD for a path, if it is that of a file.
pub(super) fn answer(files: &PublicFiles, path: &str, parts: &Parts) -> Option<Response<ResponseBody>> {
    let (name, place) = files.find(path)?;
    let accepted = parts.headers.get_all(ACCEPT_ENCODING);
    let accepted: Vec<&str> = accepted.iter().filter_map(|value| value.to_str().ok()).collect();
    let coded: Vec<(Coding, &Path)> =
        Coding::ALL.into_iter().filter_map(|coding| Some((coding, files.coded(name, coding)?))).collect();
    let chosen = coded.iter().filter_map(|(coding, place)| {
        let weight = weight(&accepted, coding.name());
        (weight > 0.0).then_some((weight, *coding, *place))
    });
    // Of those that are accepted as gladly, the first.
    let chosen = chosen.reduce(|best, next| if next.0 > best.0 { next } else { best });
    let mut entity = None;
    if let Some((_, coding, place)) = chosen {
        entity = Entity::open(name, place, Some(coding)).ok();
    }
    // A file that has gone since is none.
    let entity = match entity {
        Some(entity) => entity,
        None => Entity::open(name, place, None).ok()?,
    };
    let request = request(parts, &entity)?;
    let (mut parts, body) = http_serve::serve(entity, &request).into_parts();
    // The server's own.
    parts.headers.remove(DATE);
    if parts.status.is_success() || parts.status == http::StatusCode::NOT_MODIFIED {
        parts.headers.insert(CACHE_CONTROL, REVALIDATE);
    }
    if !coded.is_empty() {
        parts.headers.insert(VARY, HeaderValue::from_name(ACCEPT_ENCODING));
    }
    let length = body.size_hint().exact().unwrap_or_default();
    let body = if length == 0 { ResponseBody::empty() } else { streamed(body, length) };
    Some(Response::from_parts(parts, body))
}

/// How gladly a coding is taken, from 0 for not at all; RFC 9110, section 12.5.3.
fn weight(accepted: &[&str], coding: &str) -> f32 {
    let mut any = 0.0;
    for item in accepted.iter().flat_map(|list| list.split(',')) {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts
            .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
            .map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0));
        if name.eq_ignore_ascii_case(coding) || (coding == "gzip" && name.eq_ignore_ascii_case("x-gzip")) {
            return weight;
        }
        if name == "*" {
            any = weight;
        }
    }
    any
}

/// The request as far as a file depends on it; nothing where it cannot be put together.
fn request(parts: &Parts, entity: &Entity) -> Option<Request<()>> {
    let mut request = Request::builder().method(parts.method.clone()).body(()).ok()?;
    let headers = request.headers_mut();
    for name in CONDITIONS {
        headers.extend(parts.headers.get(&name).map(|value| (name, value.clone())));
    }
    for name in DATES {
        // What is no date is as if it were not there; RFC 9110, section 13.1.3.
        let value = parts.headers.get(&name);
        let value =
            value.filter(|value| value.to_str().is_ok_and(|text| httpdate::parse_http_date(text).is_ok()));
        headers.extend(value.map(|value| (name, value.clone())));
    }
    // Tags made of time and length are weak, and clients send them back to go on with a file all
    // the same, as they may with Next.js.
    let same = headers.get(IF_RANGE).is_some_and(|value| {
        value == entity.tag
            || value.to_str().is_ok_and(|text| text == httpdate::fmt_http_date(entity.modified))
    });
    if same {
        headers.remove(IF_RANGE);
    }
    Some(request)
}

/// Sends what is read of a file, no faster than the client takes it.
fn streamed(body: http_serve::Body, length: u64) -> ResponseBody {
    let (writer, response) = response_stream();
    tokio::task::spawn_local(async move {
        let end = match copy(body, &writer).await {
            Ok(()) => StreamEnd::Complete,
            Err(error) => {
                tracing::warn!(%error, "a file of public/ cannot be read to its end");
                StreamEnd::Broken
            }
        };
        writer.end(end);
    });
    response.with_promised_length(length)
}

async fn copy(body: http_serve::Body, writer: &StreamWriter) -> Result<(), BoxError> {
    let mut body = pin!(body);
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(bytes) = frame?.into_data()
            && !writer.write(bytes)
            && !writer.ready().await
        {
            // Nobody reads any more.
            return Ok(());
        }
    }
    Ok(())
}

/// An open file.
struct Entity {
    file: Arc<File>,
    length: u64,
    modified: SystemTime,
    tag: HeaderValue,
    headers: HeaderMap,
}

impl Entity {
    /// Opens the file at `place`, which has no link on the way; of the type that `name` says.
    fn open(name: &str, place: &Path, coding: Option<Coding>) -> io::Result<Self> {
        // A pipe that was put there would be waited for.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(place)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let since = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        // Each form has a tag of its own, also where two are as long and as old.
        let form = coding.map(|coding| format!("-{}", coding.name())).unwrap_or_default();
        let tag = format!("W/\"{:x}-{:x}{form}\"", metadata.len(), since.as_millis());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type(name));
        if let Some(coding) = coding {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
        Ok(Self {
            file: Arc::new(file),
            length: metadata.len(),
            // Dates of HTTP have no smaller parts.
            modified: UNIX_EPOCH + Duration::from_secs(since.as_secs()),
            tag: HeaderValue::try_from(tag).map_err(io::Error::other)?,
            headers,
        })
    }
}

/// What a file is, by its name.
fn content_type(name: &str) -> HeaderValue {
    let of_name = mime_guess::from_path(name).first_or_octet_stream();
    let essence = of_name.essence_str();
    let is_text = essence.starts_with("text/")
        || matches!(essence, "application/javascript" | "application/json" | "application/manifest+json");
    let text = if is_text { format!("{essence}; charset=utf-8") } else { essence.to_owned() };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

impl http_serve::Entity for Entity {
    type Error = BoxError;
    type Data = Bytes;

    fn len(&self) -> u64 {
        self.length
    }

    fn get_range(
        &self,
        range: Range<u64>,
    ) -> Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send + Sync>> {
        let file = self.file.clone();
        Box::pin(futures::stream::try_unfold(range.start, move |at| {
            let file = file.clone();
            let wanted = usize::try_from(range.end - at).unwrap_or(CHUNK).min(CHUNK);
            async move {
                if wanted == 0 {
                    return Ok(None);
                }
                let read = move || -> io::Result<Bytes> {
                    let mut buffer = vec![0; wanted];
                    file.read_exact_at(&mut buffer, at)?;
                    Ok(buffer.into())
                };
                let bytes = tokio::task::spawn_blocking(read).await??;
                Ok(Some((bytes, at + wanted as u64)))
            }
        }))
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        headers.extend(self.headers.clone());
    }

    fn etag(&self) -> Option<HeaderValue> {
        Some(self.tag.clone())
    }

    fn last_modified(&self) -> Option<SystemTime> {
        Some(self.modified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codings_are_weighed() {
        for (accepted, coding, expected) in [
            (vec!["gzip, deflate, br"], "br", 1.0),
            (vec!["gzip;q=0.5"], "gzip", 0.5),
            (vec!["br; q=0, *"], "br", 0.0),
            (vec!["br; q=0, *"], "gzip", 1.0),
            (vec!["identity", "*;q=0.1"], "zstd", 0.1),
            (vec!["x-gzip"], "gzip", 1.0),
            (vec!["gzip;q=nonsense"], "gzip", 0.0),
            (vec![""], "gzip", 0.0),
            (vec![], "gzip", 0.0),
        ] {
            assert!((weight(&accepted, coding) - expected).abs() < 0.01, "{accepted:?} {coding}");
        }
    }
}
