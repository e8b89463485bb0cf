//! What the page of safe mode says, in English and Chinese. The texts are our own HTML; nothing from outside enters here.
//! What must not live here: how the page is put together.

/// Why the server does not start, as far as it can be told to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A setting is wrong, or asks for what the machine does not have.
    Settings,
    Damaged,
    /// Another server has the data directory.
    InUse,
    DiskFull,
    DiskReadOnly,
    DiskFails,
    /// The server may not use its own files.
    Forbidden,
    /// It was ended from outside, or crashed.
    Silent,
    /// It said why, in words that have no page of their own.
    Other,
}

impl Cause {
    pub const ALL: [Cause; 9] = [
        Cause::Settings,
        Cause::Damaged,
        Cause::InUse,
        Cause::DiskFull,
        Cause::DiskReadOnly,
        Cause::DiskFails,
        Cause::Forbidden,
        Cause::Silent,
        Cause::Other,
    ];
}

/// One language. `#` stands for a number.
pub struct Words {
    pub lang: &'static str,
    pub id: &'static str,
    pub title: &'static str,
    pub everybody: &'static str,
    pub happened: &'static str,
    pub failed: &'static str,
    pub next_try: &'static str,
    pub no_try: &'static str,
    pub act: &'static str,
    /// What happened, and what to do about it.
    pub cause: fn(Cause) -> (&'static str, &'static str),
    /// What to do whatever it was.
    pub always: &'static [&'static str],
}

pub const ENGLISH: Words = Words {
    lang: "en",
    id: "en",
    title: "This chat server cannot start",
    everybody: "Nothing that was sent is lost by that. What you have not sent yet waits on your device. If you do not look after \
                this server yourself, tell the person who does; this page looks again by itself.",
    happened: "What happened",
    failed: "# starts in a row have failed.",
    next_try: "The next try is in about # minutes.",
    no_try: "This page was asked for by hand; the server is not tried meanwhile.",
    act: "What to do, on the server itself",
    cause: in_english,
    always: &[
        "The server’s own words, which may name files and so are not shown here: <code>journalctl -u kinglet -n 50</code>",
        "To try at once, when it is repaired: <code>sudo systemctl restart kinglet</code>",
        "Help for each of these steps is in <code>OPERATING.md</code>, which comes with the server.",
    ],
};

fn in_english(cause: Cause) -> (&'static str, &'static str) {
    match cause {
        Cause::Settings => (
            "A setting is wrong, or the machine does not have what the settings ask for.",
            "<code>sudo -u kinglet kinglet check</code> names the setting and says what to write instead. Settings are in \
             <code>/etc/kinglet/kinglet.toml</code>.",
        ),
        Cause::Damaged => (
            "The database is damaged and cannot be opened.",
            "Delete nothing. Copy the whole data directory to another disk first. Then restore the newest backup. Without a \
             backup, <code>kinglet doctor</code> says what can still be read.",
        ),
        Cause::InUse => (
            "Another server is at work on the same data.",
            "Find it with <code>pgrep -a kinglet</code> and stop it; <code>kinglet doctor</code> counts as one while it runs.",
        ),
        Cause::DiskFull => (
            "The disk is full.",
            "Make room, but not in the data directory: <code>df -h</code> says how much there is, \
             <code>sudo journalctl --vacuum-size=50M</code> and <code>sudo apt clean</code> give some back.",
        ),
        Cause::DiskReadOnly => (
            "The disk can be read, but no longer written to. Systems do that to a disk with errors.",
            "Copy the data directory to another disk now. <code>sudo dmesg | grep -i -e mmc -e ext4</code> says what is wrong with \
             this one. A restart of the machine checks the disk; a card that comes to this twice belongs replaced.",
        ),
        Cause::DiskFails => (
            "The disk answers with errors.",
            "Copy the data directory to another disk now, while it can still be read; then put in a new card, and restore.",
        ),
        Cause::Forbidden => (
            "The server may not use its own files.",
            "They must belong to the server’s user: <code>sudo chown -R kinglet: /var/lib/kinglet</code>, or the \
             <code>data_dir</code> of your settings. A directory elsewhere also needs <code>ReadWritePaths=</code> in \
             <code>sudo systemctl edit kinglet</code>.",
        ),
        Cause::Silent => (
            "The server was ended before it was ready, or crashed: most often there was too little memory, or the power went away.",
            "<code>journalctl -k | grep -i -e oom -e kinglet</code> says whether memory ran out. Lower \
             <code>limits.memory_mib</code> then, or stop other programs. If the power comes and goes, a better supply helps.",
        ),
        Cause::Other => (
            "The server said why, in words that only its journal has.",
            "Read its last lines, as in the next step; they say what to do.",
        ),
    }
}

pub const CHINESE: Words = Words {
    lang: "zh-CN",
    id: "zh",
    title: "聊天服务器无法启动",
    everybody: "已发送的内容不会因此丢失，尚未发送的内容会留在您的设备上。如果服务器不由您管理，请告知管理它的人；本页面会自动刷新。",
    happened: "发生了什么",
    failed: "已连续 # 次启动失败。",
    next_try: "大约 # 分钟后会再次尝试。",
    no_try: "本页面是手动打开的，期间不会尝试启动服务器。",
    act: "请在服务器上这样做",
    cause: in_chinese,
    always: &[
        "服务器自己的说明（其中可能有文件名，因此不在这里显示）：<code>journalctl -u kinglet -n 50</code>",
        "修好后想立即重试：<code>sudo systemctl restart kinglet</code>",
        "每一步的说明都在随服务器附带的 <code>OPERATING.md</code> 中。",
    ],
};

fn in_chinese(cause: Cause) -> (&'static str, &'static str) {
    match cause {
        Cause::Settings => (
            "某项设置有误，或者这台机器无法满足设置的要求。",
            "运行 <code>sudo -u kinglet kinglet check</code>，它会指出是哪项设置以及应该怎么写。设置在 \
             <code>/etc/kinglet/kinglet.toml</code> 中。",
        ),
        Cause::Damaged => (
            "数据库已损坏，无法打开。",
            "请不要删除任何东西。先把整个数据目录复制到另一块磁盘，再恢复最新的备份。没有备份时，\
             <code>kinglet doctor</code> 会说明还能读取什么。",
        ),
        Cause::InUse => (
            "另一个服务器正在使用同一份数据。",
            "用 <code>pgrep -a kinglet</code> 找到并停止它；运行中的 <code>kinglet doctor</code> 也算一个。",
        ),
        Cause::DiskFull => (
            "磁盘已满。",
            "请腾出空间，但不要动数据目录：<code>df -h</code> 显示剩余空间，\
             <code>sudo journalctl --vacuum-size=50M</code> 和 <code>sudo apt clean</code> 可以释放一些。",
        ),
        Cause::DiskReadOnly => (
            "磁盘只能读取，不能再写入。磁盘出错时系统会这样处理。",
            "请立即把数据目录复制到另一块磁盘。<code>sudo dmesg | grep -i -e mmc -e ext4</code> 会说明这块磁盘的问题。\
             重启机器会检查磁盘；再次出现这种情况的存储卡应当更换。",
        ),
        Cause::DiskFails => (
            "读写磁盘时出错。",
            "趁还能读取，请立即把数据目录复制到另一块磁盘；然后换一张新卡并恢复数据。",
        ),
        Cause::Forbidden => (
            "服务器无权使用自己的文件。",
            "文件必须属于服务器的用户：<code>sudo chown -R kinglet: /var/lib/kinglet</code>，或设置中的 <code>data_dir</code>。\
             目录在别处时，还需要用 <code>sudo systemctl edit kinglet</code> 加上 <code>ReadWritePaths=</code>。",
        ),
        Cause::Silent => (
            "服务器在准备好之前被中止或崩溃了：最常见的原因是内存不足或断电。",
            "<code>journalctl -k | grep -i -e oom -e kinglet</code> 会说明内存是否耗尽。若是，请调低 \
             <code>limits.memory_mib</code> 或停止其他程序。如果供电不稳，请换更好的电源。",
        ),
        Cause::Other => (
            "服务器说明了原因，但只有日志里有完整内容。",
            "请按下一步查看日志的最后几行，其中写明了该怎么做。",
        ),
    }
}
