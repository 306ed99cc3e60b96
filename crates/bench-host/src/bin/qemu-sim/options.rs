//! What of QEMU's command line is understood. Everything else is taken and means nothing, as it is the agent's to know what QEMU takes.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What to open, and as what to behave.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub control_on_stdio: bool,
    pub daemonize: bool,
    /// A reboot ends it.
    pub no_reboot: bool,
    pub pid_file: Option<PathBuf>,
    /// Control sockets (QMP).
    pub control: Vec<PathBuf>,
    pub serial: Option<PathBuf>,
    pub serial_log: Option<PathBuf>,
    /// The rescue system's port.
    pub port: Option<PathBuf>,
    /// What a rescue system is told.
    pub secrets: Option<PathBuf>,
    /// Serial numbers of disks, as a rescue system would see them.
    pub disks: Vec<String>,
}

impl Options {
    /// # Errors
    /// An option without its value, or one that names a character device that is not there.
    pub fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut sockets = BTreeMap::new();
        let (mut monitors, mut serial, mut port) = (Vec::new(), None, None);
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let mut value = || rest.next().map(String::as_str).ok_or_else(|| format!("{name} wants a value"));
            match name.as_str() {
                "-daemonize" => options.daemonize = true,
                "-no-reboot" => options.no_reboot = true,
                "-pidfile" => options.pid_file = Some(value()?.into()),
                "-qmp" => options.control_on_stdio = value()? == "stdio",
                "-serial" => serial = value()?.strip_prefix("chardev:").map(str::to_owned),
                "-mon" => monitors.extend(field(value()?, "chardev")),
                "-fw_cfg" => options.secrets = field(value()?, "file").map(PathBuf::from),
                "-chardev" => {
                    let value = value()?;
                    let (id, path) = (field(value, "id"), field(value, "path"));
                    let (Some(id), Some(path)) = (id, path) else {
                        return Err(format!("-chardev {value}: only sockets"));
                    };
                    sockets.insert(id, (PathBuf::from(path), field(value, "logfile").map(PathBuf::from)));
                }
                "-device" => {
                    let value = value()?;
                    options.disks.extend(field(value, "serial"));
                    if value.starts_with("virtserialport,") {
                        port = field(value, "chardev");
                    }
                }
                _ => {}
            }
        }
        let mut socket = |id: &str| sockets.remove(id).ok_or_else(|| format!("there is no chardev {id}"));
        for id in monitors {
            options.control.push(socket(&id)?.0);
        }
        if let Some(id) = serial {
            let (path, log) = socket(&id)?;
            (options.serial, options.serial_log) = (Some(path), log);
        }
        if let Some(id) = port {
            options.port = Some(socket(&id)?.0);
        }
        Ok(options)
    }
}

/// The value of `name` in `a,name=value,...`, where two commas stand for one.
fn field(text: &str, name: &str) -> Option<String> {
    let apart = text.replace(",,", "\0");
    let value = apart.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.replace('\0', ","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_says_is_understood_and_the_rest_is_let_by() {
        let line = "-name x -uuid y -machine q35,accel=tcg -daemonize -pidfile /w/pid -chardev socket,id=agent,path=/r/q,server=on \
            -mon chardev=agent,mode=control -chardev socket,id=serial,path=/r/a,,b,server=on,logfile=/w/serial.log,logappend=on \
            -serial chardev:serial -device virtio-blk-pci,drive=disk-0,id=dev-0,serial=root-1 -no-reboot \
            -fw_cfg name=opt/org.lifeboat/session,file=/w/secrets -chardev socket,id=rescue,path=/r/p \
            -device virtserialport,bus=lifeboat.0,chardev=rescue,name=port";
        let arguments: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
        let wanted = Options {
            control_on_stdio: false,
            daemonize: true,
            no_reboot: true,
            pid_file: Some("/w/pid".into()),
            control: vec!["/r/q".into()],
            serial: Some("/r/a,b".into()),
            serial_log: Some("/w/serial.log".into()),
            port: Some("/r/p".into()),
            secrets: Some("/w/secrets".into()),
            disks: vec!["root-1".into()],
        };
        assert_eq!(Options::parse(&arguments), Ok(wanted));
        for (wrong, word) in [("-pidfile", "wants a value"), ("-mon chardev=none", "no chardev none")] {
            let arguments: Vec<String> = wrong.split(' ').map(str::to_owned).collect();
            assert!(Options::parse(&arguments).unwrap_err().contains(word));
        }
    }
}
