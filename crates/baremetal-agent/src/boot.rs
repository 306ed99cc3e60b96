//! The TFTP side: how the server of crate `tftp` opens files of the tree.

use std::io::{Cursor, Read};
use std::sync::Arc;

use tftp::{FileSource, OpenError, OpenFile, Wanted};

use crate::root::RootError;
use crate::tree::{Content, Protocol, Tree};

/// Opens the names that TFTP clients send.
pub struct BootFiles(pub Arc<Tree>);

impl FileSource for BootFiles {
    fn open(&self, wanted: &Wanted<'_>) -> Result<OpenFile, OpenError> {
        let content = self.0.open(wanted.name, Protocol::Tftp).map_err(|error| match error {
            RootError::NotFound => OpenError::NotFound,
            RootError::Denied(_) => OpenError::Denied,
            RootError::Io(error) => OpenError::Io(error),
        })?;
        let size = Some(content.size());
        let reader: Box<dyn Read + Send> = match content {
            Content::File { file, .. } => Box::new(file),
            Content::Bytes(bytes) => Box::new(Cursor::new(bytes)),
        };
        Ok(OpenFile { reader, size })
    }
}
