//! What stands below the options: explanations, exit codes, words beside examples.

pub const TABLE: &[(&str, &str)] = &[
    ("Example:", "示例："),
    ("Examples:", "示例："),
    ("Exit codes:", "退出码："),
    ("done", "完成"),
    ("it failed; with several ids: at least one of them", "失败；有多个 ID 时：至少一个失败"),
    ("the command line can't be understood", "命令行无法理解"),
    ("--timeout passed while waiting (the task goes on)", "等待超过 --timeout（任务继续进行）"),
    ("cannot connect, or not logged in", "无法连接，或未登录"),
    ("Ctrl-C while waiting (the task goes on)", "等待时按了 Ctrl-C（任务继续进行）"),
    (
        "At a terminal, all keys go to the server but two: Ctrl-] leaves, and nothing of the server ends by that; Ctrl-^ (Ctrl-6) tells the server how large this terminal is. A serial line has no way to say it: what is typed is the command stty rows R cols C, so press it at a shell's prompt. With --resize it is typed whenever the terminal has changed its size. --escape chooses another key for leaving. A console begins with what it showed last.",
        "在终端上，除两个键外所有按键都发给服务器：Ctrl-] 退出，服务器不受任何影响；Ctrl-^（Ctrl-6）把本终端的大小告诉服务器。串口线无法自己传达大小：\n此键会键入命令 stty rows R cols C，因此请在 shell 提示符下按。加 --resize 则在终端大小变化时自动键入。--escape 可另选退出键。\n控制台以最近显示过的内容开始。",
    ),
    (
        "When stdin is no terminal, or with --until or --after, it is for scripts: stdin is sent, what the server prints comes on stdout without escape sequences, until the other end closes, --until is seen (exit code 0), or --timeout passes (exit code 3). Without --until it ends when stdin has ended and the server has been silent for --idle seconds. A console begins with what it showed last: with something on stdin, only what comes after it counts for --until. It also shows what was typed: choose a text that is not in what you send.",
        "若标准输入不是终端，或用了 --until、--after，则供脚本使用：发送标准输入，服务器的输出去掉转义序列后写到标准输出，直到对端关闭、看到 --until（退出码 0）\n或超过 --timeout（退出码 3）。没有 --until 时，在标准输入结束且服务器静默 --idle 秒后结束。控制台以最近显示过的内容开始：若有标准输入，则只有此后的内容\n才算作 --until。键入的内容也会回显：请选择一段不在所发内容中的文字。",
    ),
    (
        "It listens on a port of this machine's loopback until Ctrl-C, and passes each viewer that connects on to the server's screen. The port has no password of its own: whoever can connect to this machine's loopback meanwhile can use it.",
        "它在本机回环地址的一个端口上监听，直到按 Ctrl-C，并把每个连上的客户端接到服务器的屏幕。该端口没有自己的密码：\n此间任何能连接本机回环地址的人都能使用。",
    ),
    ("prints 127.0.0.1:PORT; then: vncviewer 127.0.0.1::PORT", "输出 127.0.0.1:PORT；然后：vncviewer 127.0.0.1::PORT"),
    (
        "The server needs a screen: climc server-change-config web1 --vnc true, then a restart.",
        "服务器需要有屏幕：climc server-change-config web1 --vnc true，然后重启。",
    ),
    (
        "The host key that the rescue system must have is the one that its session has published; a known_hosts file with it alone lives as long as the command. The address is the server's forwarded port of its port 22, which is on the loopback of its host; go there with --jump from another machine. Without a forwarded port it is the address that the rescue system has told. All after -- goes to ssh. The exit code is that of ssh.",
        "救援系统的主机密钥必须是其会话所公布的那个；只含该密钥的 known_hosts 文件仅在命令运行期间存在。地址是服务器 22 端口的转发端口，它在宿主机的回环地址上；\n从别的机器请用 --jump 经由宿主机。没有转发端口时，用救援系统报告的地址。-- 之后的内容都交给 ssh。退出码就是 ssh 的退出码。",
    ),
    (
        "On a terminal it draws servers and the tasks at work, and keeps the picture up to date. When stdout is no terminal it prints one line for each change; with -o json one object a line, with all that the service says. When the connection is lost, it goes on where it was, and nothing is missed.",
        "在终端上，它画出服务器和进行中的任务，并保持更新。标准输出不是终端时，每个变化输出一行；加 -o json 则每行一个对象，包含服务所说的全部内容。\n连接断开后会从断处继续，不会遗漏。",
    ),
    ("How to get in is told by: climc server-rescue-show web1", "如何进入：climc server-rescue-show web1"),
    ("Codes are told by: climc server-rescue-findings web1", "修复代码见：climc server-rescue-findings web1"),
    ("Detached disks: climc disk-list --status ready", "已卸下的磁盘：climc disk-list --status ready"),
    ("detached ones", "已卸下的"),
    (
        "It leads out of a status like attach_disk_failed, where nobody knew how far a change came.",
        "它能离开 attach_disk_failed 这类不知道改动进行到哪一步的状态。",
    ),
    ("also notices a cut-off end, from the second time on", "从第二次起也能发现末尾被截断"),
    ("rescuers.yaml:", "rescuers.yaml："),
    (
        "service, resource, action, extra; the most specific match wins",
        "service、resource、action、extra；最具体的匹配优先",
    ),
    ("system, domain or project", "system、domain 或 project"),
    (
        "At a terminal it is played with its pauses, of which none is longer than --idle-limit; Ctrl-C ends it. When stdout is no terminal, all that was shown comes at once, without escape sequences. With -o json it is the recording itself, asciicast v2, as other players take it.",
        "在终端上按原有停顿播放，停顿不超过 --idle-limit；Ctrl-C 结束。标准输出不是终端时，全部内容一次给出，去掉转义序列。\n加 -o json 则输出录像本身，即其他播放器可用的 asciicast v2。",
    ),
];
