// Coming in: what claiming, joining and signing in have in common. What must not live here: forms.
import { Refused } from '../engine/refusal';
import type { NewDevice, SignedIn } from '../proto';
import { engine, wasSignedOut } from './state';

/** What this device is called in the list of one's devices. */
function deviceName(): string {
  const agent = navigator.userAgent;
  const system = ['iPhone', 'iPad', 'Android', 'Windows', 'Mac', 'Linux'].find((name) => agent.includes(name)) ?? 'Browser';
  const browser = ['Firefox', 'Edg', 'Chrome', 'Safari'].find((name) => agent.includes(name)) ?? '';
  // Plain characters only: names go through PRECIS, to which a middle dot is none.
  return `${browser === 'Edg' ? 'Edge' : browser} ${system}`.trim();
}

/** A device belongs to one person for ever: for another one this browser makes a new id. */
export async function enter(by: (device: NewDevice) => Promise<SignedIn>): Promise<void> {
  const as = async (anew: boolean) => by({ id: await engine().device(anew), name: deviceName() });
  let signedIn: SignedIn;
  try {
    signedIn = await as(false);
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== 'device_taken') throw error;
    signedIn = await as(true);
  }
  await engine().entered(signedIn);
  wasSignedOut.value = false;
}
