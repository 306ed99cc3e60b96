//! Failures of requests in words, and the next step after each.

use api::ErrorClass;
use client::Error;

use crate::lang::{self, Lang, say};

/// What went wrong. In English as the client says it; in Chinese with the service's own details as they are.
pub fn error(error: &Error) -> String {
    if Lang::current() == Lang::English {
        return error.to_string();
    }
    match error {
        Error::Api(api) => {
            let kind = api.known_class().map_or_else(|| say!("the service refuses it"), class);
            format!("{kind}：{} ({})", api.details, api.class)
        }
        Error::Connect { url, cause } => say!("cannot connect to {url}: {cause}", url = url, cause = cause),
        Error::Lost { url, cause } => say!("no answer from {url}: {cause}", url = url, cause = cause),
        Error::Foreign { url, status, problem } => say!(
            "the answer of {url} (status {status}) is not one of this service: {problem}",
            url = url,
            status = status,
            problem = problem
        ),
        Error::Input(what) => what.clone(),
        Error::NoCredentials(why) => say!("not logged in: {why}", why = lang::chinese(why).unwrap_or(why)),
        Error::Console(why) => say!("serial console: {why}", why = why),
    }
}

/// A class in words.
fn class(class: ErrorClass) -> String {
    match class {
        ErrorClass::InputParameter => say!("a parameter can't be used"),
        ErrorClass::Unauthorized => say!("the service does not know who you are"),
        ErrorClass::Forbidden => say!("you may not do this"),
        ErrorClass::ResourceNotFound => say!("there is no such thing"),
        ErrorClass::ActionNotFound => say!("there is no such action"),
        ErrorClass::MethodNotAllowed => say!("this can't be done with it"),
        ErrorClass::InvalidStatus => say!("its status does not allow it now"),
        ErrorClass::DuplicateResource => say!("the name is taken, or several have it"),
        ErrorClass::Conflict => say!("something else is at work on it"),
        ErrorClass::PreconditionFailed => say!("it was changed meanwhile"),
        ErrorClass::PayloadTooLarge => say!("the request is too large"),
        ErrorClass::UnsupportedMediaType => say!("the service does not understand this form"),
        ErrorClass::OutOfResource => say!("there is not enough of something"),
        ErrorClass::TooManyRequests => say!("too many requests"),
        ErrorClass::ServiceUnavailable => say!("the service is not available now"),
        ErrorClass::InternalServer => say!("the service has failed"),
    }
}

/// What to do next, in one sentence; `None` where the message itself says it.
pub fn next_step(error: &Error) -> Option<String> {
    Some(match error {
        Error::Connect { cause, .. } if cause.contains("certificate") => {
            say!("name the authority that signed the service's certificate with OS_CACERT=FILE or --os-cacert FILE")
        }
        Error::Connect { url, .. } => {
            say!("check that the service runs (curl {url}/ping) and that the URL is right", url = url)
        }
        Error::Lost { .. } => {
            say!("the request may have been carried out: look (server-show, server-tasks) before you repeat it")
        }
        Error::Foreign { .. } => {
            say!("check that the URL leads to the service itself and not to a proxy or another program")
        }
        Error::Api(api) => match api.known_class()? {
            ErrorClass::Unauthorized => {
                say!("check user and password; a token may have ended: log in again (climc login)")
            }
            ErrorClass::Forbidden => {
                say!(
                    "ask an administrator for the right, or act in another project (OS_PROJECT_NAME); climc permission-list shows yours"
                )
            }
            ErrorClass::TooManyRequests => say!("wait a little, then repeat"),
            ErrorClass::ServiceUnavailable => say!("the service is starting or stopping: repeat in a moment"),
            ErrorClass::InternalServer => match &api.request_id {
                Some(id) => say!("report it with the request's id, {id}, to whoever runs the service", id = id),
                None => say!("report it, with the time, to whoever runs the service"),
            },
            ErrorClass::ResourceNotFound => say!("look it up by its list: climc server-list, and the like"),
            ErrorClass::DuplicateResource => say!("choose another name, or give the id"),
            ErrorClass::Conflict => {
                say!("wait for the task that it names (climc region-task-show ID --wait), or cancel it")
            }
            ErrorClass::PreconditionFailed => say!("read it again, and decide again"),
            ErrorClass::OutOfResource => say!("see what there is: climc host-list"),
            ErrorClass::PayloadTooLarge => say!("send less"),
            // Their details say what would be right.
            ErrorClass::InputParameter
            | ErrorClass::ActionNotFound
            | ErrorClass::MethodNotAllowed
            | ErrorClass::InvalidStatus
            | ErrorClass::UnsupportedMediaType => return None,
        },
        Error::NoCredentials(_) => {
            say!("log in (climc login), or set OS_PASSWORD, or choose a profile: --profile NAME")
        }
        Error::Input(_) => return None,
        Error::Console(_) => say!("connect again; if that fails, see whether the server is on: climc server-show"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::ApiError;

    /// Whatever fails, somebody knows how to go on: by a next step, or by details that say what would be right.
    #[test]
    fn every_class_has_words_and_a_way_on() {
        for word in ErrorClass::ALL {
            assert!(!class(*word).is_empty());
            let failed = Error::Api(Box::new(ApiError {
                status: 400,
                class: word.to_string(),
                details: "allowed are a, b".into(),
                request_id: None,
            }));
            let by_details = matches!(
                word,
                ErrorClass::InputParameter
                    | ErrorClass::ActionNotFound
                    | ErrorClass::MethodNotAllowed
                    | ErrorClass::InvalidStatus
                    | ErrorClass::UnsupportedMediaType
            );
            assert_eq!(next_step(&failed).is_none(), by_details, "{word}");
        }
    }

    #[test]
    fn the_next_step_fits_the_failure() {
        let connect = |cause: &str| Error::Connect { url: "https://r".into(), cause: cause.into() };
        for (failure, part) in [
            (connect("invalid peer certificate"), "OS_CACERT"),
            (connect("refused"), "https://r/ping"),
            (Error::Lost { url: "u".into(), cause: "c".into() }, "may have been carried out"),
            (Error::Foreign { url: "u".into(), status: 200, problem: "p".into() }, "proxy"),
            (Error::NoCredentials("c".into()), "climc login"),
        ] {
            assert!(next_step(&failure).unwrap().contains(part), "{failure}");
        }
    }
}
