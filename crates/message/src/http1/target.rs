//! The target of a request line.

use bytes::Bytes;
use http::Uri;

use super::head::HeadError;

/// Longest target for which [`Uri`] has a form.
const LONGEST: usize = u16::MAX as usize - 1;

/// A target as an address. Characters that a URL holds as escapes only, and that clients
/// send as they are all the same, are escaped as the URL parser does.
///
/// # Errors
///
/// [`HeadError`] where it is too long, or no address.
pub(super) fn uri(target: &Bytes) -> Result<Uri, HeadError> {
    if target.len() > LONGEST {
        return Err(HeadError::TargetTooLong);
    }
    if let Ok(uri) = Uri::from_maybe_shared(target.clone()) {
        return Ok(uri);
    }
    let escaped = escaped(target).ok_or(HeadError::Malformed)?;
    if escaped.len() > LONGEST {
        return Err(HeadError::TargetTooLong);
    }
    Uri::from_maybe_shared(escaped).map_err(|_| HeadError::Malformed)
}

/// A head with a target of UTF-8 only. None where it is that already: bytes that are no text
/// stand for themselves.
pub(super) fn text(head: &[u8]) -> Option<Bytes> {
    let line = head.split(|byte| *byte == b'\r').next()?;
    let target = line.iter().position(|byte| *byte == b' ')?;
    let has_method = line[..target].iter().all(u8::is_ascii_graphic);
    if !has_method || std::str::from_utf8(&line[target..]).is_ok() {
        return None;
    }
    let mut text = Vec::with_capacity(head.len() + 32);
    text.extend_from_slice(&head[..target]);
    for &byte in &line[target..] {
        if byte.is_ascii() { text.push(byte) } else { escape(&mut text, byte) }
    }
    text.extend_from_slice(&head[line.len()..]);
    Some(text.into())
}

fn escape(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |four: u8| DIGITS[usize::from(four)];
    out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
}

/// The same with escapes in path and query. None where there is neither.
fn escaped(target: &[u8]) -> Option<Bytes> {
    let path = match target {
        [b'/', ..] => 0,
        _ => {
            let authority = target.windows(3).position(|three| three == b"://")? + 3;
            let after = target.get(authority..)?;
            authority + after.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'))?
        }
    };
    let (before, rest) = target.split_at(path);
    let mut escaped = Vec::with_capacity(target.len() + 32);
    escaped.extend_from_slice(before);
    let mut in_query = false;
    for &byte in rest {
        in_query |= byte == b'?';
        // URL standard, section 1.3: the path and the query percent-encode set.
        let is_escaped = match byte {
            b'"' | b'<' | b'>' => true,
            b'^' | b'`' | b'{' | b'}' => !in_query,
            _ => false,
        };
        if is_escaped {
            escape(&mut escaped, byte);
        } else {
            escaped.push(byte);
        }
    }
    Some(escaped.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(target: &[u8]) -> Result<String, HeadError> {
        uri(&Bytes::copy_from_slice(target)).map(|uri| uri.to_string())
    }

    #[test]
    fn what_browsers_and_scripts_leave_as_it_is_is_taken() {
        for (target, uri) in [
            ("/a?b=c", "/a?b=c"),
            ("/a^b`c{d}|e", "/a%5Eb%60c%7Bd%7D|e"),
            ("/<a>?q=<b>\"c\"`{|}^", "/%3Ca%3E?q=%3Cb%3E%22c%22`{|}^"),
            ("/é?ü", "/é?ü"),
            ("http://h/<?<", "http://h/%3C?%3C"),
            ("http://h?<", "http://h/?%3C"),
            ("/a?<#frag", "/a?%3C"),
            ("*", "*"),
        ] {
            assert_eq!(read(target.as_bytes()).as_deref(), Ok(uri), "{target}");
        }
        let head = text(b"GET /\xc3\xbc\xe9? HTTP/1.1\r\nX: \xe9\r\n\r\n").expect("other text");
        assert_eq!(&head[..], b"GET /%C3%BC%E9? HTTP/1.1\r\nX: \xe9\r\n\r\n");
        assert_eq!(text(&head), None);
        assert_eq!(text(b"\x16\x03\x01 \xff"), None);
        assert_eq!(text(b"G\xff /\xff HTTP/1.1\r\n"), None);
        assert_eq!(text("GET /\u{e9} HTTP/1.1\r\n".as_bytes()), None);
    }

    #[test]
    fn what_is_escaped_is_what_the_url_parser_escapes() {
        for byte in 0x21..0x7f_u8 {
            if matches!(byte, b'#' | b'?' | b'/' | b'\\' | b'.') {
                continue;
            }
            let target = format!("/a{}b?c{0}d", char::from(byte));
            let read = read(target.as_bytes()).expect("taken");
            let parse = |target: &str| url::Url::parse(&format!("http://h{target}")).expect("a URL");
            assert_eq!(parse(&read), parse(&target), "{target}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for target in ["", "<", "a<b", "http://<", "http://h<i/", "mailto:<a>", "://</"] {
            assert_eq!(read(target.as_bytes()), Err(HeadError::Malformed), "{target}");
        }
        let long = format!("/{}", "<".repeat(30_000));
        assert_eq!(read(long.as_bytes()), Err(HeadError::TargetTooLong));
        assert_eq!(read(&[b'/'; 70_000]), Err(HeadError::TargetTooLong));
    }
}
