//! What a recorded console showed: `GET /consolerecordings/{id}/cast`, asciicast v2: a header, then a line for each piece of output.

use std::time::Duration;

use api::Resource;
use api::recording::ConsoleRecordings;

use crate::error::Error;
use crate::path::path;
use crate::rest::Client;
use crate::transport::{failure, foreign, origin, read};

/// How long the service may take for the next piece.
const SILENCE: Duration = Duration::from_secs(60);
/// A line is what was shown in one moment: no service of ours makes a longer one.
const LONGEST: usize = 8 << 20;

/// A cast as it comes, so that its length does not matter.
pub struct Cast {
    response: reqwest::Response,
    text: Vec<u8>,
    ended: bool,
}

impl Client {
    /// Opens the cast of a recording. The service writes down who looked at it.
    ///
    /// # Errors
    /// [`Error`]; `ResourceNotFoundError` for who may not see it too.
    pub async fn cast(&self, id: &str) -> Result<Cast, Error> {
        let path = path(&[ConsoleRecordings::PLURAL, id, "cast"])?;
        let response = self.send(&path, |stack, url| stack.get(url)).await?;
        if !response.status().is_success() {
            let (status, url) = (response.status().as_u16(), response.url().clone());
            read(response).await?;
            return Err(foreign(&url, status, "it is no recording".into()));
        }
        Ok(Cast { response, text: Vec::new(), ended: false })
    }
}

impl Cast {
    /// The next line, without its end; `None` after the last. Dropping the future on the way loses nothing.
    ///
    /// # Errors
    /// [`Error::Lost`] where the connection was lost on the way; [`Error::Foreign`] for what is no text of lines.
    pub async fn line(&mut self) -> Result<Option<String>, Error> {
        let url = self.response.url().clone();
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.text.drain(..=end).take(end).collect();
                return text(line).map(Some).map_err(|why| foreign(&url, 200, why));
            }
            if self.ended {
                let rest = std::mem::take(&mut self.text);
                return match rest.is_empty() {
                    true => Ok(None),
                    false => text(rest).map(Some).map_err(|why| foreign(&url, 200, why)),
                };
            }
            if self.text.len() > LONGEST {
                return Err(foreign(&url, 200, "a line of the recording is too long".into()));
            }
            let chunk = tokio::time::timeout(SILENCE, self.response.chunk()).await;
            let silent = |_| Error::Lost { url: origin(&url), cause: "it is silent".into() };
            match chunk.map_err(silent)?.map_err(|error| failure(&error, &url))? {
                Some(bytes) => self.text.extend_from_slice(&bytes),
                None => self.ended = true,
            }
        }
    }
}

fn text(line: Vec<u8>) -> Result<String, String> {
    String::from_utf8(line).map_err(|_| "the recording is not UTF-8".into())
}
