// What is wrong with what somebody typed, in words that were chosen already. What must not live here: refusals of the server.

/** A code that no list of words has, so that its own are shown (i18n `explained`). */
export class Wrong extends Error {
  readonly code = 'wrong';
}
