//! What is in an initramfs: one or more cpio archives ("newc", kernel: Documentation/driver-api/early-userspace/buffer-format.rst),
//! the first perhaps plain with microcode, the last usually compressed.
//!
//! Compressed ones are unpacked by the image's own programs. Where the one that is wanted is absent, zstd is at least checked for
//! its end by its blocks (RFC 8878, 3.1.1), whose lengths can be read without unpacking.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::tools::{self, Limited};

/// Names and the verdict over the whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Paths in it, without a leading slash. Incomplete where it was not unpacked.
    pub names: BTreeSet<String>,
    /// What is wrong with the file; None if it is whole, as far as it was looked at.
    pub fault: Option<String>,
    /// Why the names are not known.
    pub closed: Option<String>,
}

/// How long one may take.
pub const LIMIT: Duration = Duration::from_secs(20);
/// Bytes that are read of the file, and of what it unpacks to: with all drivers and firmware some hundred MiB.
const MAX_BYTES: u64 = 1 << 30;
/// KiB of memory for the program that unpacks: as much as the file's header asks for, and zstd by itself up to 128 MiB.
const MAX_MEMORY: &str = "196608";
/// Bytes of memory for all names, and what one takes beside its length.
const MAX_NAMES: usize = 32 << 20;
const NAME: usize = 64;
/// The longest path in an archive.
const MAX_NAME: usize = 4096;

/// Reads it all, within limits: a small file may unpack to more than this machine can hold. Beyond them it is closed.
///
/// # Errors
/// When the file can't be read.
pub fn read(file: File, limit: Duration) -> io::Result<Content> {
    bounded(file, limit, MAX_BYTES)
}

fn bounded(file: File, limit: Duration, most: u64) -> io::Result<Content> {
    let mut content = Content::default();
    if let Err(error) = look(file, most, Instant::now() + limit, &mut content) {
        content.closed = Some(match error.kind() {
            io::ErrorKind::TimedOut => "it could not be read to its end in time".into(),
            io::ErrorKind::FileTooLarge => {
                format!("there is more in it than the {} MiB that are read", most >> 20)
            }
            io::ErrorKind::OutOfMemory => "unpacking it takes more memory than is given to it".into(),
            _ => return Err(error),
        });
    }
    Ok(content)
}

fn look(file: File, most: u64, deadline: Instant, content: &mut Content) -> io::Result<()> {
    if file.metadata()?.len() == 0 {
        content.fault = Some("it is empty".into());
        return Ok(());
    }
    let mut reader = BufReader::with_capacity(1 << 16, Limited::new(file, most, deadline));
    let mut archives = 0;
    let mut room = MAX_NAMES;
    loop {
        skip_zeros(&mut reader)?;
        let magic: Vec<u8> = reader.fill_buf()?.iter().take(6).copied().collect();
        if magic.is_empty() {
            break;
        }
        archives += 1;
        if magic == b"070701" || magic == b"070702" {
            if let Err(error) = archive(&mut reader, &mut content.names, &mut room) {
                content.fault = Some(fault(error)?);
                return Ok(());
            }
        } else {
            return compressed(reader, &magic, most, deadline, content, &mut room);
        }
    }
    if archives == 0 {
        content.fault = Some("it holds nothing but zeros".into());
    }
    Ok(())
}

/// What an error says of the archive. A limit says nothing of it, and stays an error.
fn fault(error: io::Error) -> io::Result<String> {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::FileTooLarge | io::ErrorKind::OutOfMemory => Err(error),
        io::ErrorKind::UnexpectedEof => Ok("it ends in the middle of its archive".into()),
        _ => Ok(format!("its archive can't be read: {error}")),
    }
}

fn skip_zeros(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let zeros = buffer.iter().take_while(|byte| **byte == 0).count();
        let more = zeros > 0 && zeros == buffer.len();
        reader.consume(zeros);
        if !more {
            return Ok(());
        }
    }
}

/// One archive, to its trailer. `room` is what names may still take.
fn archive(reader: &mut impl Read, names: &mut BTreeSet<String>, room: &mut usize) -> io::Result<()> {
    let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    loop {
        let mut header = [0; 110];
        reader.read_exact(&mut header)?;
        if &header[..6] != b"070701" && &header[..6] != b"070702" {
            return Err(bad("a header is damaged"));
        }
        let field = |number: usize| -> io::Result<usize> {
            let text = std::str::from_utf8(&header[6 + number * 8..14 + number * 8])
                .map_err(|_| bad("a header is damaged"))?;
            usize::from_str_radix(text, 16).map_err(|_| bad("a header is damaged"))
        };
        let (size, length) = (field(6)?, field(11)?);
        if length == 0 || length > MAX_NAME {
            return Err(bad("a header is damaged"));
        }
        let mut name = vec![0; length];
        reader.read_exact(&mut name)?;
        skip(reader, padding(110 + length))?;
        name.pop();
        let name = String::from_utf8_lossy(&name).into_owned();
        if name == "TRAILER!!!" {
            return Ok(());
        }
        skip(reader, size)?;
        skip(reader, padding(size))?;
        *room = room.checked_sub(name.len() + NAME).ok_or(io::ErrorKind::OutOfMemory)?;
        names.insert(name.trim_start_matches("./").trim_start_matches('/').to_owned());
    }
}

fn padding(length: usize) -> usize {
    length.next_multiple_of(4) - length
}

fn skip(reader: &mut impl Read, count: usize) -> io::Result<()> {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    let skipped = io::copy(&mut reader.take(count), &mut io::sink())?;
    if skipped < count { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}

/// The program that unpacks what begins like this.
fn unpacker(magic: &[u8]) -> Option<&'static str> {
    let known: [(&[u8], &str); 6] = [
        (&[0x1f, 0x8b], "gzip"),
        (&[0xfd, b'7', b'z', b'X', b'Z'], "xz"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
        (&[0x02, 0x21, 0x4c, 0x18], "lz4"),
        (b"BZh", "bzip2"),
        (&[0x5d, 0x00, 0x00], "lzma"),
    ];
    known.iter().find(|(start, _)| magic.starts_with(start)).map(|(_, name)| *name)
}

fn compressed(
    reader: BufReader<Limited<File>>,
    magic: &[u8],
    most: u64,
    deadline: Instant,
    content: &mut Content,
    room: &mut usize,
) -> io::Result<()> {
    let Some(name) = unpacker(magic) else {
        content.fault = Some("what it begins with is neither an archive nor a known compression".into());
        return Ok(());
    };
    let Some(program) = tools::find(name) else {
        content.closed = Some(format!("this rescue image has no {name} to unpack it with"));
        if name == "zstd" {
            content.fault = zstd_fault(reader)?;
        }
        return Ok(());
    };
    // What was read ahead belongs to the program too.
    let ahead = reader.buffer().len();
    let mut file = reader.into_inner().into_inner();
    io::Seek::seek(&mut file, io::SeekFrom::Current(-i64::try_from(ahead).unwrap_or(0)))?;
    let mut child = Command::new("/bin/sh")
        .args(["-c", "ulimit -d \"$1\" && exec \"$0\" -dc"])
        .args([program.as_os_str(), MAX_MEMORY.as_ref()])
        .stdin(file)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut result = Ok(());
    if let Some(output) = child.stdout.take() {
        let mut output = BufReader::with_capacity(1 << 16, Limited::new(output, most, deadline));
        result = archive(&mut output, &mut content.names, room);
        if result.is_ok() {
            // Its own verdict comes only when all was read.
            result = io::copy(&mut output, &mut io::sink()).map(drop);
        }
    }
    let is_at_its_end = result.as_ref().err().is_none_or(|error| error.kind() == io::ErrorKind::UnexpectedEof);
    if !is_at_its_end {
        child.kill()?;
    }
    let mut said = Vec::new();
    child.stderr.take().map(|errors| errors.take(4096).read_to_end(&mut said)).transpose()?;
    let status = child.wait()?;
    // Where it was refused memory, or killed for want of it, the archive is not to blame.
    if is_at_its_end
        && !status.success()
        && (status.code().is_none() || String::from_utf8_lossy(&said).contains("emory"))
    {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    content.fault = match result {
        Err(error) => Some(fault(error)?),
        // Zeros that fill the last block are taken for damage by some; the archive was whole.
        Ok(()) if !status.success() && name != "gzip" && name != "xz" => {
            Some(format!("{name} says that it is damaged"))
        }
        Ok(()) => None,
    };
    Ok(())
}

/// Walks frames and blocks to the end of the file.
fn zstd_fault(mut reader: impl BufRead) -> io::Result<Option<String>> {
    let cut = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Ok(Some("it ends in the middle of its compressed data".to_owned())),
        _ => Err(error),
    };
    loop {
        skip_zeros(&mut reader)?;
        if reader.fill_buf()?.is_empty() {
            return Ok(None);
        }
        match zstd_frame(&mut reader) {
            Ok(true) => {}
            Ok(false) => return Ok(Some("its compressed data is damaged".into())),
            Err(error) => return cut(error),
        }
    }
}

fn zstd_frame(reader: &mut impl BufRead) -> io::Result<bool> {
    let mut magic = [0; 4];
    reader.read_exact(&mut magic)?;
    if magic != [0x28, 0xb5, 0x2f, 0xfd] {
        return Ok(false);
    }
    let mut descriptor = [0];
    reader.read_exact(&mut descriptor)?;
    let [descriptor] = descriptor;
    let single = descriptor & 0x20 != 0;
    let size_bytes = match descriptor >> 6 {
        0 => usize::from(single),
        1 => 2,
        2 => 4,
        _ => 8,
    };
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    skip(reader, usize::from(!single) + dictionary + size_bytes)?;
    loop {
        let mut header = [0; 3];
        reader.read_exact(&mut header)?;
        let header = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let size = usize::try_from(header >> 3).unwrap_or(usize::MAX);
        match (header >> 1) & 3 {
            0 | 2 => skip(reader, size)?,
            1 => skip(reader, 1)?,
            _ => return Ok(false),
        }
        if header & 1 == 1 {
            skip(reader, if descriptor & 4 != 0 { 4 } else { 0 })?;
            return Ok(true);
        }
    }
}

/// Names of the modules in it, dashes as underscores.
#[must_use]
pub fn modules(names: &BTreeSet<String>) -> BTreeSet<String> {
    names.iter().filter_map(|path| module_name(path)).collect()
}

/// `virtio_blk` of `kernel/drivers/block/virtio-blk.ko.xz`.
#[must_use]
pub fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let (name, rest) = file.split_once(".ko")?;
    matches!(rest, "" | ".gz" | ".xz" | ".zst").then(|| name.replace('-', "_"))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::io::Write;

    /// An archive of files with these names.
    pub fn cpio(names: &[&str]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for name in names.iter().chain(&["TRAILER!!!"]) {
            let data: &[u8] = if *name == "TRAILER!!!" { b"" } else { b"data!" };
            let size = data.len();
            let mut header = "070701".to_owned();
            let fields = [1, 0o100_644, 0, 0, 1, 0, size, 0, 0, 0, 0, name.len() + 1, 0];
            fields.iter().for_each(|field| header += &format!("{field:08X}"));
            bytes.extend(header.bytes().chain(name.bytes()).chain([0]));
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes.extend(data);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    pub fn packed(program: &str, bytes: &[u8]) -> Vec<u8> {
        let mut child = Command::new(program).arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let bytes = bytes.to_vec();
        let writer = std::thread::spawn(move || input.write_all(&bytes).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output.stdout
    }

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        file
    }

    fn content(bytes: &[u8]) -> Content {
        read(file(bytes), Duration::from_secs(600)).unwrap()
    }

    #[test]
    fn what_unpacks_to_more_than_can_be_held_is_closed_and_no_fault() {
        // One member of gzip's after the other is one stream (RFC 1952, 2.2): 320 MiB of zeros.
        let whole = packed("gzip", &cpio(&["init"]));
        let bomb = [whole.clone(), packed("gzip", &vec![0; 16 << 20]).repeat(20)].concat();
        assert!(bomb.len() < 1 << 19);
        let names: Vec<String> = (0..10_000).map(|number| format!("{}{number:04}", "x".repeat(4000))).collect();
        let names = cpio(&names.iter().map(String::as_str).collect::<Vec<_>>());
        // The size of its dictionary stands in bytes 1 to 4 of lzma's header: 1.5 GiB.
        let mut greedy = packed("lzma", &cpio(&["init"]));
        greedy[1..5].copy_from_slice(&[0, 0, 0, 0x60]);
        let sparse = file(b"");
        sparse.set_len(65 << 20).unwrap();
        for (file, word) in
            [(file(&bomb), "64 MiB"), (sparse, "64 MiB"), (file(&names), "memory"), (file(&greedy), "memory")]
        {
            let read = bounded(file, Duration::from_secs(600), 64 << 20).unwrap();
            assert!(read.closed.as_deref().unwrap_or_default().contains(word), "{word}: {:?}", read.closed);
            assert_eq!(read.fault, None, "{word}");
            assert!(read.names.iter().map(String::len).sum::<usize>() <= MAX_NAMES);
        }
        let late = read(file(&whole), Duration::ZERO).unwrap();
        assert_eq!((late.fault, late.closed.unwrap().as_str()), (None, "it could not be read to its end in time"));
    }

    #[test]
    fn archives_in_a_row_are_all_read() {
        let mut bytes = cpio(&["kernel/x86/microcode"]);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes.extend(packed("gzip", &cpio(&["./init", "lib/modules/6.1/kernel/virtio-blk.ko.xz"])));
        let read = content(&bytes);
        assert_eq!((read.fault, read.closed), (None, None));
        assert!(read.names.contains("init") && read.names.contains("kernel/x86/microcode"));
        assert_eq!(modules(&read.names).iter().collect::<Vec<_>>(), ["virtio_blk"]);
    }

    #[test]
    fn what_is_cut_off_or_no_archive_is_a_fault() {
        let plain = cpio(&["init", "etc/passwd"]);
        let packed = packed("gzip", &cpio(&["init"]));
        let big: Vec<u8> = [&packed[..packed.len() / 2]].concat();
        for (bytes, word) in [
            (&b""[..], "empty"),
            (&[0; 4096][..], "zeros"),
            (b"<html>not found</html>", "neither"),
            (&plain[..plain.len() - 60], "in the middle"),
            (&big, "in the middle"),
        ] {
            let fault = content(bytes).fault.unwrap_or_default();
            assert!(fault.contains(word), "{word}: {fault}");
        }
    }

    #[test]
    fn the_end_of_zstd_is_found_without_unpacking() {
        // A frame as RFC 8878 has it: magic, single segment of one byte's size, a raw block of 3 bytes, then one repeated 200 times.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x20, 0xcb, 0x18, 0, 0, b'a', b'b', b'c', 0x43, 0x06, 0, b'x'];
        let fault = |bytes: &[u8]| zstd_fault(BufReader::new(bytes)).unwrap();
        assert_eq!(fault(&frame), None);
        assert_eq!(fault(&[&frame[..], &[0; 100]].concat()), None);
        for cut in 1..frame.len() {
            assert!(fault(&frame[..cut]).unwrap().contains("middle"), "cut at {cut}");
        }
        assert!(fault(b"\x28\xb5\x2f\xfd\x20\xcb\x07\0\0\0").unwrap().contains("damaged"));
    }
}
