//! One append-only file per guest, `<folder>/<guest id>.log`, mode 0600 in a folder of mode 0700.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use types::id::GuestId;

use crate::LedgerError;
use crate::record::Record;

const SUFFIX: &str = ".log";

#[derive(Debug)]
pub struct GuestFile {
    folder: PathBuf,
    path: PathBuf,
    file: File,
    /// Up to here the file holds whole records. A write that failed half-way is cut off before the next.
    length: u64,
}

/// The files that are there, making the folder if it is not. Left-overs of an interrupted rewrite are removed.
pub fn scan(folder: &Path) -> Result<Vec<(GuestId, PathBuf)>, LedgerError> {
    let failed = io("make", folder);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io("list", folder))? {
        let path = entry.map_err(io("list", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".new") {
            std::fs::remove_file(&path).map_err(io("remove", &path))?;
        } else if let Some(guest) = name.strip_suffix(SUFFIX).and_then(|id| id.parse().ok()) {
            found.push((guest, path));
        }
    }
    Ok(found)
}

impl GuestFile {
    /// Opens or makes it, and reads its records. A torn last line is cut off: its write was never answered.
    pub fn open(folder: &Path, guest: GuestId) -> Result<(Self, Vec<Record>), LedgerError> {
        let path = folder.join(format!("{guest}{SUFFIX}"));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(io("open", &path))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io("read", &path))?;
        if bytes.is_empty() {
            sync_folder(folder)?;
        }

        let mut records = Vec::new();
        let mut length = 0;
        let lines: Vec<_> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
        for (number, line) in lines.iter().enumerate() {
            match Record::from_line(line) {
                Some(record) => records.push(record),
                None if number + 1 == lines.len() => {
                    tracing::warn!(path = %path.display(), bytes = line.len(), "cut off a torn last record");
                    break;
                }
                None => return Err(LedgerError::Damaged { path, line: number + 1 }),
            }
            length += line.len() as u64;
        }
        let mut this = Self { folder: folder.to_owned(), path, file, length };
        this.cut()?;
        Ok((this, records))
    }

    /// Appends; with `durable`, the record is on disk when this returns.
    pub fn append(&mut self, record: &Record, durable: bool) -> Result<(), LedgerError> {
        self.cut()?;
        let line = record.to_line();
        self.file.write_all(line.as_bytes()).map_err(io("write", &self.path))?;
        if durable {
            self.file.sync_data().map_err(io("sync", &self.path))?;
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Replaces all of it, atomically.
    pub fn rewrite(&mut self, records: &[Record]) -> Result<(), LedgerError> {
        let temporary = self.path.with_extension("log.new");
        let text: String = records.iter().map(Record::to_line).collect();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&temporary).map_err(io("make", &temporary))?;
        file.write_all(text.as_bytes()).map_err(io("write", &temporary))?;
        file.sync_all().map_err(io("sync", &temporary))?;
        std::fs::rename(&temporary, &self.path).map_err(io("replace", &self.path))?;
        // From here on the new file is the one, whatever happens to the folder's sync.
        self.file = file;
        self.length = text.len() as u64;
        sync_folder(&self.folder)
    }

    pub fn remove(self) -> Result<(), LedgerError> {
        std::fs::remove_file(&self.path).map_err(io("remove", &self.path))?;
        sync_folder(&self.folder)
    }

    fn cut(&mut self) -> Result<(), LedgerError> {
        let end = self.file.seek(SeekFrom::End(0)).map_err(io("seek in", &self.path))?;
        if end > self.length {
            self.file.set_len(self.length).map_err(io("cut", &self.path))?;
            self.file.seek(SeekFrom::End(0)).map_err(io("seek in", &self.path))?;
        }
        Ok(())
    }
}

fn sync_folder(folder: &Path) -> Result<(), LedgerError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(io("sync", folder))
}

fn io(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> LedgerError {
    move |source| LedgerError::Io { doing, path: path.to_owned(), source }
}
