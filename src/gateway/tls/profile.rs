//! The authority's certificate as a configuration profile, which iPhones and iPads name and list by what it says of itself.
//! Pure: text out. What must not live here: the page that offers it.

use data_encoding::BASE64;

use super::trust::{escape, sha256};

/// Serve with `PROFILE_TYPE`.
pub const PROFILE_PATH: &str = "/trust/kinglet.mobileconfig";
pub const PROFILE_TYPE: &str = "application/x-apple-aspen-config";

/// The whole profile. The same authority gives the same profile, so that one that is installed again replaces itself.
#[must_use]
pub fn profile(server_name: &str, ca_name: &str, ca_der: &[u8]) -> String {
    let digest = sha256(ca_der);
    let mark = data_encoding::HEXLOWER.encode(&digest[..8]);
    let (outer, inner) = (identity(&digest[..16]), identity(&digest[16..]));
    let (server, ca) = (escape(server_name), escape(ca_name));
    let certificate = BASE64.encode(ca_der);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n\
         <plist version=\"1.0\">\n<dict>\n\
         <key>PayloadType</key><string>Configuration</string>\n\
         <key>PayloadVersion</key><integer>1</integer>\n\
         <key>PayloadIdentifier</key><string>kinglet.{mark}</string>\n\
         <key>PayloadUUID</key><string>{outer}</string>\n\
         <key>PayloadDisplayName</key><string>{ca}</string>\n\
         <key>PayloadDescription</key><string>Lets this device check that it talks to {server}. It vouches for websites of that box and \
         of private networks, and for nothing else on the internet.</string>\n\
         <key>PayloadContent</key>\n<array>\n<dict>\n\
         <key>PayloadType</key><string>com.apple.security.root</string>\n\
         <key>PayloadVersion</key><integer>1</integer>\n\
         <key>PayloadIdentifier</key><string>kinglet.{mark}.authority</string>\n\
         <key>PayloadUUID</key><string>{inner}</string>\n\
         <key>PayloadDisplayName</key><string>{ca}</string>\n\
         <key>PayloadCertificateFileName</key><string>kinglet-ca.crt</string>\n\
         <key>PayloadContent</key><data>{certificate}</data>\n\
         </dict>\n</array>\n</dict>\n</plist>\n"
    )
}

/// Sixteen bytes as a UUID whose bits are nobody's but ours (RFC 9562, version 8).
fn identity(bytes: &[u8]) -> String {
    let bytes = bytes.try_into().expect("half of a SHA-256 has 16 bytes");
    uuid::Builder::from_custom_bytes(bytes)
        .into_uuid()
        .hyphenated()
        .to_string()
        .to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_holds_the_very_certificate_and_is_the_same_each_time() {
        let der: Vec<u8> = (0..=255).collect();
        let text = profile("kinglet.local", "Kinglet <1> CA", &der);
        assert_eq!(text, profile("kinglet.local", "Kinglet <1> CA", &der));
        let data = text
            .split("<data>")
            .nth(1)
            .and_then(|rest| rest.split("</data>").next());
        let data = BASE64
            .decode(data.expect("a certificate").as_bytes())
            .expect("base64");
        assert_eq!(data, der);
        assert!(text.contains("Kinglet &lt;1&gt; CA") && text.contains("com.apple.security.root"));
        assert_ne!(text, profile("kinglet.local", "Kinglet <1> CA", b"another"));
        let opened = text.matches("<dict>").count();
        assert_eq!((opened, text.matches("</dict>").count()), (2, 2));
    }
}
