//! WebSocket frames on the server side, without I/O.
