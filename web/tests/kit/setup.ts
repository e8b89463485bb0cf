// The first run as a person does it, counted: what has to be filled in and what has to be tapped. What must not live here: what
// is expected of it.
import type { Person } from './browser';
import { type Kinglet, PASSWORD } from './kinglet';

export class Hands {
  fields = 0;
  taps = 0;

  constructor(private readonly one: Person) {}

  async fill(label: string | RegExp, text: string): Promise<void> {
    const box = this.one.page.getByLabel(label, { exact: typeof label === 'string' });
    this.fields += 1;
    await box.fill(text);
  }
  async tap(name: string): Promise<void> {
    this.taps += 1;
    await this.one.page.getByRole('button', { name }).click();
  }
}

/** The first page, filled in, and on to the sheet. */
export async function found(one: Person, server: Kinglet, team = 'Harbour', name = 'ada'): Promise<Hands> {
  const hands = new Hands(one);
  await hands.fill('Claim code', server.claimCode);
  await hands.fill('Team name', team);
  await hands.fill('Your name', name);
  await hands.fill('Password', PASSWORD);
  await hands.tap('Create the team');
  await one.page.getByRole('heading', { name: 'Your emergency sheet' }).waitFor();
  return hands;
}

/** The groups of the key as they stand on the sheet. */
export const groups = ({ page }: Person): Promise<string[]> => page.locator('.paper .key code').allInnerTexts();

/** Shows that the sheet is on paper. */
export async function keep(one: Person, hands: Hands): Promise<void> {
  const paper = await groups(one);
  await hands.tap('I have it on paper');
  const label = one.page.locator('label').filter({ hasText: 'of the key' });
  const asked = (await label.innerText()).match(/\d+/g)!.map(Number);
  await hands.fill(/of the key/, asked.map((at) => paper[at - 1]!.toLowerCase()).join(' '));
  await hands.tap('Check');
  await one.page.getByRole('img', { name: 'The invitation as a QR code' }).waitFor();
}

/** All of it, to the team's conversation. */
export async function setUp(one: Person, server: Kinglet): Promise<Hands> {
  const hands = await found(one, server);
  await keep(one, hands);
  await one.page.locator('.qr path[d^="M"]').waitFor();
  return hands;
}
