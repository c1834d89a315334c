//! From answers to responses: the table of failures, and how answers go out.

use edgehost_ext::message::{Answer, BodyFault, Cost, MalformedHost, RequestId, ResponseBody};
use http::header::Entry;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::isolate::CallError;
use crate::limits::Exceeded;
use crate::project::{Method, MethodSet};
use crate::shard::BackendError;

pub(super) const ERROR_CODE: HeaderName = HeaderName::from_static("x-edgehost-error");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How Next.js forbids to keep its error pages.
const NO_STORE: HeaderValue =
    HeaderValue::from_static("private, no-cache, no-store, max-age=0, must-revalidate");

/// Every way in which a request can fail without an answer of its handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotFound,
    UnknownHost,
    MalformedPath,
    MalformedHost,
    UnknownMethod,
    TraceMethod,
    MethodNotAllowed(MethodSet),
    BodyTooLarge,
    MalformedBody,
    BodyTimeout,
    UrlTooLong,
    HeadersTooLarge,
    HandlerError,
    Timeout,
    CpuLimit,
    MemoryLimit,
    IsolateReset,
    BundleFailed,
    Panicked,
    Wedged,
    ModuleInitFailed,
    /// Which limit loading the module passed.
    StartupTimeout(Exceeded),
    Overloaded {
        elsewhere: bool,
    },
    NoIsolate,
    ShuttingDown,
}

impl Refusal {
    /// The table: status, public code, and what the client reads. An empty text is
    /// an empty body.
    pub(super) fn row(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND", "Not Found"),
            Self::UnknownHost => (StatusCode::NOT_FOUND, "UNKNOWN_HOST", "Not Found"),
            Self::MalformedPath => (StatusCode::BAD_REQUEST, "MALFORMED_PATH", "Bad Request"),
            Self::MalformedHost => (StatusCode::BAD_REQUEST, "MALFORMED_HOST", "Bad Request"),
            Self::UnknownMethod => (StatusCode::BAD_REQUEST, "UNKNOWN_METHOD", ""),
            Self::TraceMethod | Self::MethodNotAllowed(_) => {
                (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "")
            }
            Self::BodyTooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", "The request body is too large")
            }
            Self::MalformedBody => {
                (StatusCode::BAD_REQUEST, "MALFORMED_BODY", "The request body cannot be read")
            }
            Self::BodyTimeout => {
                (StatusCode::REQUEST_TIMEOUT, "BODY_TIMEOUT", "The request body did not arrive in time")
            }
            Self::UrlTooLong => (StatusCode::URI_TOO_LONG, "URL_TOO_LONG", "The URL is too long"),
            Self::HeadersTooLarge => (
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "HEADERS_TOO_LARGE",
                "The request headers are too large",
            ),
            Self::HandlerError => {
                (StatusCode::INTERNAL_SERVER_ERROR, "HANDLER_ERROR", "Internal Server Error")
            }
            Self::Timeout => {
                (StatusCode::GATEWAY_TIMEOUT, "HANDLER_TIMEOUT", "The handler did not answer in time")
            }
            Self::CpuLimit => {
                (StatusCode::SERVICE_UNAVAILABLE, "CPU_LIMIT", "The handler used too much CPU time")
            }
            Self::MemoryLimit => {
                (StatusCode::SERVICE_UNAVAILABLE, "MEMORY_LIMIT", "The handler used too much memory")
            }
            Self::IsolateReset => (
                StatusCode::SERVICE_UNAVAILABLE,
                "ISOLATE_RESET",
                "The request was interrupted by the failure of another one",
            ),
            Self::BundleFailed => {
                (StatusCode::INTERNAL_SERVER_ERROR, "BUNDLE_FAILED", "Internal Server Error")
            }
            Self::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "Internal Server Error"),
            Self::Wedged => (
                StatusCode::SERVICE_UNAVAILABLE,
                "WEDGED",
                "The thread that serves this request is stuck in another one",
            ),
            Self::ModuleInitFailed => {
                (StatusCode::INTERNAL_SERVER_ERROR, "MODULE_INIT_FAILED", "Internal Server Error")
            }
            Self::StartupTimeout(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "STARTUP_TIMEOUT", "Internal Server Error")
            }
            Self::Overloaded { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", "Too many requests at once")
            }
            Self::NoIsolate => {
                (StatusCode::SERVICE_UNAVAILABLE, "NO_ISOLATE", "The server cannot run handlers now")
            }
            Self::ShuttingDown => {
                (StatusCode::SERVICE_UNAVAILABLE, "SHUTTING_DOWN", "The server is shutting down")
            }
        }
    }

    /// The refusal of a method that a file does not have.
    pub(super) fn of_file() -> Self {
        let mut methods = MethodSet::default();
        methods.insert(Method::Get);
        Self::MethodNotAllowed(methods)
    }

    /// The code that clients see.
    pub(super) fn code(self) -> &'static str {
        self.row().1
    }

    /// The limit that was passed.
    pub(super) fn limit(self) -> Option<Exceeded> {
        match self {
            Self::Timeout => Some(Exceeded::Wall),
            Self::CpuLimit => Some(Exceeded::Cpu),
            Self::MemoryLimit => Some(Exceeded::Memory),
            Self::StartupTimeout(limit) => Some(limit),
            _ => None,
        }
    }

    /// Whether trying again soon makes sense.
    fn is_passing(self) -> bool {
        matches!(
            self,
            Self::IsolateReset
                | Self::Wedged
                | Self::Overloaded { .. }
                | Self::NoIsolate
                | Self::ShuttingDown
        )
    }

    /// The response that a client gets. Tells nothing of the inside.
    pub(crate) fn response(self, id: RequestId) -> Response<ResponseBody> {
        let (status, code, text) = self.row();
        let mut response = Response::new(if text.is_empty() {
            ResponseBody::empty()
        } else if status.is_server_error() && self != Self::HandlerError {
            ResponseBody::whole(format!("{text}\n\n{code}\nrequest {id}\n"))
        } else {
            ResponseBody::whole(text)
        });
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if !text.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        }
        headers.insert(CACHE_CONTROL, NO_STORE);
        headers.insert(ERROR_CODE, HeaderValue::from_static(code));
        if let Self::MethodNotAllowed(methods) = self
            && let Ok(allow) = HeaderValue::from_str(&methods.allow())
        {
            headers.insert(ALLOW, allow);
        }
        if self.is_passing() {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if matches!(
            self,
            Self::BodyTooLarge
                | Self::MalformedBody
                | Self::BodyTimeout
                | Self::HeadersTooLarge
                | Self::UrlTooLong
                | Self::Overloaded { elsewhere: true }
                | Self::IsolateReset
                | Self::CpuLimit
                | Self::MemoryLimit
                | Self::Panicked
        ) {
            // What is left of the request is not read, or an isolate has it that has ended; or the
            // next one had better go elsewhere.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Why there is no answer, and what it took to find out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) cost: Cost,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, cost: Cost::default() }
    }
}

impl From<BackendError> for Refused {
    fn from(error: BackendError) -> Self {
        let cost = match &error {
            BackendError::Call(unanswered) => unanswered.cost,
            _ => Cost::default(),
        };
        Self { refusal: error.into(), cost }
    }
}

impl From<BackendError> for Refusal {
    fn from(error: BackendError) -> Self {
        match error {
            BackendError::Overloaded { elsewhere } => Self::Overloaded { elsewhere },
            BackendError::NoIsolate => Self::NoIsolate,
            BackendError::Ended => Self::ShuttingDown,
            BackendError::Wedged => Self::Wedged,
            BackendError::Call(unanswered) => match unanswered.error {
                CallError::Handler => Self::HandlerError,
                CallError::Body(fault) => fault.into(),
                CallError::MethodNotAllowed(methods) => Self::MethodNotAllowed(methods),
                CallError::Exceeded(Exceeded::Wall) => Self::Timeout,
                CallError::Exceeded(Exceeded::Cpu) => Self::CpuLimit,
                CallError::Exceeded(Exceeded::Memory) => Self::MemoryLimit,
                CallError::Panicked => Self::Panicked,
                CallError::Reset | CallError::NotStarted(_) => Self::IsolateReset,
                CallError::ModuleInit => Self::ModuleInitFailed,
                CallError::Startup(Exceeded::Memory) => Self::MemoryLimit,
                CallError::Startup(limit) => Self::StartupTimeout(limit),
            },
        }
    }
}

impl From<MalformedHost> for Refusal {
    fn from(MalformedHost: MalformedHost) -> Self {
        Self::MalformedHost
    }
}

impl From<BodyFault> for Refusal {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::TooLarge => Self::BodyTooLarge,
            BodyFault::Malformed => Self::MalformedBody,
            BodyFault::Stalled => Self::BodyTimeout,
        }
    }
}

/// A handler's answer as a response.
pub(super) fn answer(answer: Answer) -> Response<ResponseBody> {
    let Answer { status, reason, mut headers, mut body, to_head } = answer;
    let promised = headers.remove(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if let Some(length) = promised {
        if to_head {
            body = ResponseBody::empty();
            headers.insert(CONTENT_LENGTH, length.into());
        } else if body.is_stream() {
            body = body.with_promised_length(length);
        }
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    if let Some(reason) = reason
        && let Ok(phrase) = hyper::ext::ReasonPhrase::try_from(reason.into_bytes())
    {
        response.extensions_mut().insert(phrase);
    }
    response
}

/// Names the request in its answer: as the client did, if it did, else by the host's own
/// id. What a handler has set stays.
pub(super) fn name_request(
    response: &mut Response<ResponseBody>,
    id: RequestId,
    x_request_id: Option<HeaderValue>,
) {
    if let Entry::Vacant(entry) = response.headers_mut().entry(REQUEST_ID) {
        entry
            .insert(x_request_id.unwrap_or_else(|| HeaderValue::from_bytes(&id.digits()).unwrap_or(UNNAMED)));
    }
}

/// Hexadecimal digits always make a header's value.
const UNNAMED: HeaderValue = HeaderValue::from_static("-");

/// A redirect of the router or of a rule.
pub(super) fn redirect(status: StatusCode, location: &str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(location.to_owned()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if let Ok(location) = HeaderValue::from_str(location) {
        headers.insert(LOCATION, location);
    }
    response
}

/// The answer to OPTIONS on a route that does not export it.
pub(super) fn options(methods: MethodSet) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allow) = HeaderValue::from_str(&methods.allow()) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}
