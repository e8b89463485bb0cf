//! The words: ids, commands, events, refusals and their JSON. The only floor that serialises to the wire.
