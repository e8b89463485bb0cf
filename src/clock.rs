//! Time and chance, handed in as arguments. What must not live here: any decision taken from them.
