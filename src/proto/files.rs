//! The words for files: how one is uploaded, what is known of it, how a message carries it. What must not live here: where
//! the bytes lie, or who may have them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::{Body, Event};
use super::ids::{BlobId, ClientId, Seq, Timestamp, UploadId};

/// A stored file in a message. The sender gives `blob` and `name`, and may give `caption`, for sound and film
/// `duration_ms`, `width` and `height`, and for film `thumbhash`; everything else is the server's to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Media {
    /// The file, as its upload's end named it.
    pub blob: BlobId,
    /// What it is called: 1 to 255 bytes of one line, without slashes.
    pub name: String,
    /// Bytes; said by the server.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub size: u64,
    /// What the bytes are, found by looking at them; said by the server.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// Pixels, as it is shown; of a picture said by the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    /// How long it plays; said by the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// A picture of a few bytes to show until the file is there: a ThumbHash in base64; of film said by the sender, else by
    /// the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbhash: Option<String>,
    /// A text that belongs to it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub caption: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Media {
    /// Bytes that a queue should account it with; never nothing.
    #[must_use]
    pub fn len(&self) -> usize {
        let thumbhash = self.thumbhash.as_ref().map_or(0, String::len);
        64 + self.name.len() + self.caption.len() + thumbhash
    }

    /// There is always the blob's id.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// `POST /api/v1/uploads`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct NewUpload {
    #[schema(value_type = String)]
    pub client_id: ClientId,
    /// Bytes, at least one.
    pub size: u64,
    /// The BLAKE3 hash of the bytes that will be sent: what arrives must have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub blake3: Option<BlobId>,
}

/// Where an upload stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct UploadInfo {
    #[schema(value_type = String)]
    pub upload: UploadId,
    pub size: u64,
    /// Bytes that are safely here; go on with the next.
    pub offset: u64,
    /// Shown time at which the server forgets the upload.
    pub expires: Timestamp,
    /// Present once all bytes are here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub blob: Option<BlobInfo>,
}

/// What the server knows of a stored file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct BlobInfo {
    /// What messages and addresses name it by.
    #[schema(value_type = String)]
    pub blob: BlobId,
    /// Bytes as stored: those of a picture whose description of camera and place was taken out are fewer than were sent.
    pub size: u64,
    /// What the bytes are, found by looking at them.
    pub media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbhash: Option<String>,
    /// Whether there is a small picture of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub thumbnail: bool,
}

/// `GET /api/v1/uploads`: how much the asker may store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct Storage {
    /// Bytes of the largest file.
    pub file_bytes: u64,
    /// Bytes of all files that the asker uploaded, and how many of them are taken.
    pub user_bytes: u64,
    pub used_bytes: u64,
}

/// `GET /api/v1/conversations/{id}/files`: newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct FilePage {
    /// The messages and edits that carry the files, descending by seq; only what the asker may see.
    #[schema(value_type = Vec<Object>)]
    pub events: Vec<Event>,
    /// Whether there are older ones.
    pub more: bool,
}

/// The kinds of body that carry a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    Image,
    Audio,
    Voice,
    Video,
    File,
}

/// The query of `GET /api/v1/conversations/{id}/files`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct FilesQuery {
    /// Only files before this seq.
    #[serde(default)]
    pub before: Option<Seq>,
    #[serde(default)]
    pub kind: Option<MediaKind>,
    #[serde(default)]
    pub limit: Option<u32>,
}

/// The query of `GET /api/v1/blobs/{id}`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, ToSchema)]
pub struct BlobQuery {
    /// The name to save it under.
    #[serde(default)]
    pub name: Option<String>,
}

impl MediaKind {
    /// The kind of a body that carries a file.
    #[must_use]
    pub fn of(body: &Body) -> Option<MediaKind> {
        Some(match body {
            Body::Text { .. } | Body::Opaque { .. } => return None,
            Body::Image(_) => MediaKind::Image,
            Body::Audio(_) => MediaKind::Audio,
            Body::Voice(_) => MediaKind::Voice,
            Body::Video(_) => MediaKind::Video,
            Body::File(_) => MediaKind::File,
        })
    }
}
