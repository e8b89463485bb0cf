//! Every bound of the server, by name. What must not live here: anything that is not a number, or the sum of numbers.
