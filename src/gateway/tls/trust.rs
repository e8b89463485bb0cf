//! The trust page: how a device comes to trust this box's own authority, as one plain HTML page without scripts, and
//! the fingerprint in hex and in words. Pure: text in, text out. What must not live here: sockets, files, the key.

use std::fmt::Write;

use super::words::WORDS;

/// The certificate as DER, so that the SHA-256 of the downloaded file is the fingerprint. Serve with `CA_DER_TYPE`.
pub const CA_DER_PATH: &str = "/trust/kinglet-ca.crt";
/// The same as PEM, for tools that want text. Serve with `CA_PEM_TYPE`.
pub const CA_PEM_PATH: &str = "/trust/kinglet-ca.pem";
pub const CA_DER_TYPE: &str = "application/x-x509-ca-cert";
pub const CA_PEM_TYPE: &str = "application/x-pem-file";

/// What the page tells. Every field may hold anything: all are escaped.
#[derive(Debug, Clone, Copy)]
pub struct TrustFacts<'a> {
    /// What people call the box, e.g. `kinglet.local`.
    pub server_name: &'a str,
    /// Where to go afterwards. Only an `https://` address becomes a link.
    pub https_url: &'a str,
    /// As devices list it, e.g. `Kinglet 3fa91c CA`.
    pub ca_name: &'a str,
    pub ca_der: &'a [u8],
}

/// SHA-256 as browsers and systems show it: upper case, colons.
pub fn fingerprint(der: &[u8]) -> String {
    let digest = sha256(der);
    let mut text = String::with_capacity(digest.len() * 3);
    for (place, byte) in digest.iter().enumerate() {
        let colon = if place == 0 { "" } else { ":" };
        write!(text, "{colon}{byte:02X}").expect("writing to a String cannot fail");
    }
    text
}

/// The first 48 bits of the fingerprint, a word per byte: for reading aloud. Enough to tell boxes apart; not enough
/// against someone who can try 2^48 certificates, or who changes the page that shows them: for that there is the whole
/// fingerprint, compared on the device.
pub fn six_words(der: &[u8]) -> [&'static str; 6] {
    let digest = sha256(der);
    std::array::from_fn(|place| WORDS[usize::from(digest[place])])
}

pub fn to_pem(der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// The `Content-Security-Policy` to serve the page with: nothing but its own style.
pub fn trust_csp() -> String {
    let style = data_encoding::BASE64.encode(&sha256(STYLE.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// The whole page.
pub fn trust_page(facts: &TrustFacts<'_>) -> String {
    let name = escape(facts.server_name);
    let ca = escape(facts.ca_name);
    let words = six_words(facts.ca_der).join(" ");
    let print = fingerprint(facts.ca_der);
    let link = link(facts.https_url);
    let mut page = head(&name);
    for text in [&ENGLISH, &CHINESE] {
        let Text {
            lang,
            id,
            title,
            why,
            get,
            download,
            as_text,
            check,
            caution,
            hex,
            install,
            then,
            limits,
            systems,
            foreign: _,
        } = text;
        write!(
            page,
            "<section lang=\"{lang}\" id=\"{id}\">\n<h1>{title} {name}</h1>\n<p>{why}</p>\n\
             <h2>1. {get}</h2>\n<p><a class=\"get\" href=\"{CA_DER_PATH}\" download=\"kinglet-ca.crt\">{download} {ca}</a></p>\n\
             <p>{as_text} <a href=\"{CA_PEM_PATH}\" download=\"kinglet-ca.pem\">kinglet-ca.pem</a></p>\n\
             <h2>2. {check}</h2>\n<p class=\"words\" lang=\"en\" translate=\"no\">{words}</p>\n<p>{caution}</p>\n\
             <p>{hex}</p>\n<p class=\"print\" translate=\"no\">{print}</p>\n<h2>3. {install}</h2>\n"
        )
        .expect("writing to a String cannot fail");
        for (system, steps) in *systems {
            writeln!(
                page,
                "<details><summary>{system}</summary><p>{steps}</p></details>"
            )
            .expect("writing to a String cannot fail");
        }
        write!(
            page,
            "<h2>4. {then}</h2>\n<p>{link}</p>\n<p>{limits}</p>\n</section>\n"
        )
        .expect("writing to a String cannot fail");
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// The page of a server whose certificate comes from somebody whom browsers do not know: only the way on.
pub fn foreign_page(server_name: &str, https_url: &str) -> String {
    let (name, link) = (escape(server_name), link(https_url));
    let mut page = head(&name);
    for text in [&ENGLISH, &CHINESE] {
        let Text {
            lang,
            id,
            then,
            foreign,
            ..
        } = text;
        write!(
            page,
            "<section lang=\"{lang}\" id=\"{id}\">\n<h1>{name}</h1>\n<p>{foreign}</p>\n<h2>{then}</h2>\n<p>{link}</p>\n</section>\n"
        )
        .expect("writing to a String cannot fail");
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

/// `name` is escaped already.
fn head(name: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>{name}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <nav><a href=\"#en\">English</a> · <a href=\"#zh\" lang=\"zh-CN\">简体中文</a></nav>\n<main>\n"
    )
}

/// A link, or plain text when the address is not an https one: a page about trust must not carry a `javascript:` link.
fn link(url: &str) -> String {
    let shown = escape(url);
    if url.starts_with("https://") {
        format!("<a class=\"get\" href=\"{shown}\">{shown}</a>")
    } else {
        shown
    }
}

/// Safe in text and in a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

const STYLE: &str = ":root{color-scheme:light dark;background:#fff;color:#1b1f1d}a{color:#1f6b57}\
@media(prefers-color-scheme:dark){:root{background:#141716;color:#e8ecea}a{color:#6fc7ab}}\
body{font:1em/1.5 system-ui,sans-serif;max-width:40em;margin:0 auto;padding:1em}\
.words{font-size:1.4em;font-weight:bold}.print{font-family:monospace;overflow-wrap:anywhere}\
.get{font-weight:bold}summary{cursor:pointer;padding:.3em 0}section+section{border-top:1px solid;margin-top:2em}";

/// One language of the page. The texts are our own HTML; nothing from outside enters here.
struct Text {
    lang: &'static str,
    id: &'static str,
    title: &'static str,
    why: &'static str,
    get: &'static str,
    download: &'static str,
    as_text: &'static str,
    check: &'static str,
    caution: &'static str,
    hex: &'static str,
    install: &'static str,
    then: &'static str,
    limits: &'static str,
    systems: &'static [(&'static str, &'static str)],
    foreign: &'static str,
}

const ENGLISH: Text = Text {
    lang: "en",
    id: "en",
    foreign: "This server’s certificate comes from an authority that browsers do not know by themselves. If your device warns you \
              at the protected address, ask the person who runs the server how to trust it.",
    title: "Trust",
    why: "This box has no name on the public internet, so it vouches for itself with a certificate of its own. \
          Once your device knows that certificate, the connection is encrypted without warnings. Do this once per device.",
    get: "Get the certificate",
    download: "Download",
    as_text: "As text, for Linux and tools:",
    check: "Check it",
    caution: "This page itself is not protected: someone on your network could have changed it. Ask the person who runs \
              the box to read you these six words from its screen or log. If they differ, stop. If they match, you most \
              likely have the right box; but the words are only the first 48 bits of the fingerprint, and whoever can \
              change this page can also copy the words onto it.",
    hex: "To be certain, take the SHA-256 fingerprint that your device shows for the certificate, or that \
          <code>sha256sum kinglet-ca.crt</code> (macOS: <code>shasum -a 256 kinglet-ca.crt</code>, Windows: \
          <code>certutil -hashfile kinglet-ca.crt SHA256</code>) prints for the downloaded file, and compare it with the \
          one on the box’s own screen or in its log. It should be:",
    install: "Install it",
    then: "Open the protected address",
    limits: "What this certificate can do: vouch for websites by <code>.local</code> names, by the names this box had when it \
             made the certificate, and by private network addresses; nothing else on the internet. To undo it, remove it in \
             the same place.",
    systems: &[
        (
            "Android",
            "The phone needs a screen lock first. Then, after the download (opening the file is not enough on Android 11 and \
             newer): Settings → Security and privacy → More security settings → Encryption and credentials → Install a \
             certificate → CA certificate → Install anyway, then pick <code>kinglet-ca.crt</code>. The words of the menu \
             differ by maker; searching the settings for “CA certificate” finds it. Android will then say that the \
             network may be monitored: it says so about every certificate added by hand. To see the fingerprint: Trusted \
             credentials → User.",
        ),
        (
            "iPhone and iPad",
            "Open this page in Safari, take <a href=\"/trust/kinglet.mobileconfig\">the profile</a> and tap Allow. Settings → \
             Profile Downloaded → Install (it says “Not Verified”: nobody but this box signed it). Then the step that is easy to \
             miss: Settings → General → About → Certificate Trust Settings, and turn the certificate on. To see the \
             fingerprint: More Details, before you tap Install. To undo it: Settings → General → VPN &amp; Device \
             Management.",
        ),
        (
            "Windows",
            "Open the file → Install Certificate → Current User → Place all certificates in the following store → Browse → \
             Trusted Root Certification Authorities → Finish → Yes. The “thumbprint” Windows shows is a SHA-1 value; use \
             <code>certutil</code> as above to compare.",
        ),
        (
            "macOS",
            "Open the file; Keychain Access adds it to “login”. Double-click it there → Trust → When using this \
             certificate: Always Trust. The SHA-256 fingerprint is at the end of its details.",
        ),
        (
            "Linux",
            "Debian, Ubuntu: <code>sudo cp kinglet-ca.pem /usr/local/share/ca-certificates/kinglet-ca.crt &amp;&amp; sudo \
             update-ca-certificates</code>. Fedora: <code>sudo cp kinglet-ca.pem /etc/pki/ca-trust/source/anchors/ \
             &amp;&amp; sudo update-ca-trust</code>. Chrome and Chromium also need it under \
             <code>chrome://certificate-manager</code> → Local certificates → Custom → Installed by you → Trusted \
             Certificates → Import.",
        ),
        (
            "Firefox",
            "On Linux: Settings → Privacy &amp; Security → Certificates → View Certificates → Authorities → Import, and \
             tick “Trust this CA to identify websites”. On Windows and macOS it follows the system. On Android: Settings \
             → About Firefox, tap the logo five times; back in Settings → Secret Settings → Use third party CA \
             certificates.",
        ),
    ],
};

const CHINESE: Text = Text {
    lang: "zh-CN",
    id: "zh",
    foreign: "这台服务器的证书来自浏览器默认不认识的颁发机构。如果打开受保护的地址时出现警告，请向服务器管理员询问如何信任它。",
    title: "信任",
    why: "这台设备在公共互联网上没有名字，所以用自己的证书证明身份。您的手机或电脑安装该证书后，连接就会加密，不再出现警告。\
          每台手机或电脑只需做一次。",
    get: "获取证书",
    download: "下载",
    as_text: "文本格式（Linux 和命令行工具用）：",
    check: "核对证书",
    caution: "本页面本身没有加密保护，同一网络中的人可能改动过它。请让管理这台设备的人照着设备的屏幕或日志，\
              把这六个英文单词念给您听。如果不一致，请停止操作。如果一致，您连接的很可能就是这台设备；\
              但这些单词只是指纹的前 48 位，而且能改动本页面的人也能把单词照抄上来。",
    hex: "若要完全确定，请查看您的系统所显示的证书 SHA-256 指纹，或对下载的文件运行 \
          <code>sha256sum kinglet-ca.crt</code>（macOS：<code>shasum -a 256 kinglet-ca.crt</code>，\
          Windows：<code>certutil -hashfile kinglet-ca.crt SHA256</code>），\
          并与设备自己的屏幕或日志中的指纹核对。指纹应为：",
    install: "安装证书",
    then: "打开受保护的地址",
    limits: "此证书的能力：只能证明使用 <code>.local</code> 名称、制作证书时这台设备已有的名称，以及内网地址的网站；\
             对互联网上的其他网站无效。若要撤销，请在安装的位置删除它。",
    systems: &[
        (
            "Android 安卓",
            "手机须先设置锁屏密码。下载后（Android 11 及以上直接打开文件无效）：设置 → 安全和隐私 → 更多安全设置 → \
             加密与凭据 → 安装证书 → CA 证书 → 仍然安装，然后选择 <code>kinglet-ca.crt</code>。各厂商的菜单名称不同，可在设置中搜索“CA 证书”。之后系统会提示“网络可能会受到监控”：\
             凡是手动添加的证书都会这样提示。查看指纹：信任的凭据 → 用户。",
        ),
        (
            "iPhone 和 iPad",
            "用 Safari 打开本页面，下载<a href=\"/trust/kinglet.mobileconfig\">描述文件</a>并轻点“允许”。设置 → 已下载描述文件 → \
             安装（会显示“未验证”，因为只有这台设备为它签名）。还有容易漏掉的一步：设置 → 通用 → 关于本机 → 证书信任设置，\
             打开该证书的开关。查看指纹：安装前轻点“更多详细信息”。撤销：设置 → 通用 → VPN 与设备管理。",
        ),
        (
            "Windows",
            "打开文件 → 安装证书 → 当前用户 → 将所有的证书都放入下列存储 → 浏览 → 受信任的根证书颁发机构 → 完成 → 是。\
             Windows 显示的“指纹”是 SHA-1 值，请用上面的 <code>certutil</code> 命令核对。",
        ),
        (
            "macOS",
            "打开文件，“钥匙串访问”会把它加入“登录”钥匙串。在那里双击它 → 信任 → 使用此证书时：始终信任。\
             SHA-256 指纹在详细信息的末尾。",
        ),
        (
            "Linux",
            "Debian、Ubuntu：<code>sudo cp kinglet-ca.pem /usr/local/share/ca-certificates/kinglet-ca.crt &amp;&amp; sudo \
             update-ca-certificates</code>。Fedora：<code>sudo cp kinglet-ca.pem /etc/pki/ca-trust/source/anchors/ \
             &amp;&amp; sudo update-ca-trust</code>。Chrome 和 Chromium 还需在 \
             <code>chrome://certificate-manager</code> → 本地证书 → 自定义 → 由您安装 → 受信任的证书 → 导入。",
        ),
        (
            "Firefox 火狐",
            "Linux：设置 → 隐私与安全 → 证书 → 查看证书 → 证书颁发机构 → 导入，勾选“信任由此证书颁发机构来标识网站”。\
             Windows 和 macOS 上随系统设置。Android：设置 → 关于 Firefox，连点徽标五次；返回设置 → 秘密设置 → \
             使用第三方 CA 证书。",
        ),
    ],
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn facts<'a>() -> TrustFacts<'a> {
        let https_url = "https://kinglet.local:8443/";
        TrustFacts {
            server_name: "kinglet.local",
            https_url,
            ca_name: "Kinglet 3fa91c CA",
            ca_der: b"abc",
        }
    }

    #[test]
    fn the_fingerprint_is_sha256_and_the_words_are_its_first_six_bytes() {
        // FIPS 180-2, appendix B.1: SHA-256 of "abc".
        let known =
            "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
        assert_eq!(fingerprint(b"abc"), known);
        let places = [0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01].map(|byte: usize| WORDS[byte]);
        assert_eq!(six_words(b"abc"), places);
    }

    #[test]
    fn the_words_stay_what_they_are_and_cannot_be_mistaken_for_each_other() {
        assert_eq!(WORDS.iter().collect::<BTreeSet<_>>().len(), 256);
        for (place, word) in WORDS.iter().enumerate() {
            assert!(
                (3..=6).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase()),
                "{word}"
            );
            for other in &WORDS[..place] {
                let differ = word.bytes().zip(other.bytes()).filter(|(a, b)| a != b).count();
                assert!(word.len() != other.len() || differ > 1, "{word} and {other}");
            }
        }
        // Words read out yesterday must mean the same bytes after an update.
        assert_eq!(
            fingerprint(WORDS.join(" ").as_bytes()),
            "0E:9F:08:7C:30:E7:7A:30:C2:AB:13:34:93:4E:39:C7:96:C5:EC:C5:A6:7C:D4:2F:EA:0D:40:79:68:4A:EE:32"
        );
    }

    #[test]
    fn the_page_names_what_it_must_in_both_languages_and_has_no_script() {
        let page = trust_page(&facts());
        for part in [
            fingerprint(b"abc").as_str(),
            six_words(b"abc").join(" ").as_str(),
            CA_DER_PATH,
            CA_PEM_PATH,
            "href=\"https://kinglet.local:8443/\"",
            "Kinglet 3fa91c CA",
            "48 bits",
            "48 位",
        ] {
            assert!(page.contains(part), "{part} is missing");
        }
        for system in ["Android", "iPhone", "Windows", "macOS", "Linux", "Firefox"] {
            assert_eq!(
                page.matches(&format!("<details><summary>{system}")).count(),
                2,
                "{system}"
            );
        }
        for banned in ["<script", " on", "style=", "http://", "src="] {
            let tags = page
                .split('<')
                .filter_map(|part| part.split('>').next())
                .filter(|tag| !tag.starts_with("style"));
            assert!(
                !format!("<{}", tags.collect::<Vec<_>>().join("<")).contains(banned),
                "{banned}"
            );
        }
        assert!(page.len() < 16 * 1024, "{} bytes", page.len());
        assert!(trust_csp().starts_with("default-src 'none'; style-src 'sha256-"));
    }

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let evil = "\"><script>alert('x')</script>&";
        let page = trust_page(&TrustFacts {
            server_name: evil,
            https_url: evil,
            ca_name: evil,
            ca_der: b"abc",
        });
        assert!(!page.contains("<script") && !page.contains("alert('x')"));
        assert!(page.contains("&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;"));
        let page = trust_page(&TrustFacts {
            https_url: "javascript:alert(1)",
            ..facts()
        });
        assert!(!page.contains("href=\"javascript"));
        let page = trust_page(&TrustFacts {
            https_url: "https://a/\" onclick=\"b",
            ..facts()
        });
        assert!(!page.contains("\" onclick"));
    }

    #[test]
    fn pem_is_the_same_certificate() {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject;
        let der: Vec<u8> = (0..=255).collect();
        let back = CertificateDer::from_pem_slice(to_pem(&der).as_bytes()).expect("PEM");
        assert_eq!(back.as_ref(), der);
    }
}
