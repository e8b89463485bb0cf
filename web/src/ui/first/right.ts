// What can be seen to be wrong with a name, a password or a claim code before it is sent: the server looks again, and at more. What
// must not live here: what only a server knows.
import { words } from '../../i18n';

/** Of the usual characters all but letters, digits, dots, dashes and underscores; of the others the server decides. */
const STRANGE = /[\s!-,/:-@[-^`{-~]/;
const PASSWORD = 8;
const CLAIM_DIGITS = 10;

export function rightName(name: string): string {
  const clean = name.trim();
  return STRANGE.test(clean) || [...clean].length > 32 ? words.value.errors.name_invalid! : '';
}

export function rightPassword(password: string): string {
  return [...password].length < PASSWORD ? words.value.fieldPassword : '';
}

/** However it is parted. */
export function rightCode(code: string): string {
  return code.replace(/\D/g, '').length === CLAIM_DIGITS ? '' : words.value.fieldCode;
}
