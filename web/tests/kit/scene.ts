// A small team with something to say, for screens to be looked at: people, groups, messages. What must not live here: screens.
import { uuidv7 } from '../../src/engine/ids';
import type { SignedIn } from '../../src/proto';
import { type Kinglet, PASSWORD } from './kinglet';

export interface Scene {
  ada: SignedIn;
  /** The group and the direct conversation that are shown. */
  group: string;
  direct: string;
  /** An invitation that is still good. */
  code: string;
}

/** Acts as one of them; gives the conversation and the place of what was done. */
type Does = (frame: { type: string } & Record<string, unknown>) => Promise<{ conversation: string; seq: number }>;

function hands(server: Kinglet, who: SignedIn): Does {
  return async (frame) => {
    const reply = await server.api(who.token).command({ id: 1, client_id: uuidv7(), ...frame });
    if (reply.type !== 'ack') throw new Error(`${frame.type} was not acked`);
    return reply;
  };
}

const text = (said: string) => ({ kind: 'text', text: said });

export async function scene(server: Kinglet): Promise<Scene> {
  const device = () => ({ id: uuidv7(), name: 'Firefox Linux' });
  const api = server.api();
  const ada = await api.claim({ code: server.claimCode, name: 'ada', display_name: 'Ada Lindqvist', password: PASSWORD, device: device() });
  const join = async (name: string, display_name: string) => {
    const { code } = await server.invite(ada);
    return api.join({ code, name, display_name, password: PASSWORD, device: device() });
  };
  const ben = await join('ben', 'Ben Okafor');
  const mei = await join('mei', '陈梅');
  const jonas = await join('jonas', 'Jonas Weber');
  const [a, b, m, j] = [hands(server, ada), hands(server, ben), hands(server, mei), hands(server, jonas)];
  const members = [ben.user, mei.user, jonas.user];
  const { conversation: group } = await a({ type: 'create', kind: 'group', title: 'Harbour crew', members, history: true });
  const say = (by: Does, said: string, more = {}) => by({ type: 'send', conversation: group, body: text(said), ...more });
  await say(a, 'Good morning! The crane is back from the workshop.');
  const question = await say(b, 'Great. Who takes the **early shift** on Thursday?');
  await say(m, 'I can, if somebody covers the office until ten.', { reply_to: question.seq });
  await b({ type: 'react', conversation: group, target: question.seq + 1, emoji: '👍' });
  await a({ type: 'react', conversation: group, target: question.seq + 1, emoji: '👍' });
  await say(j, 'I am in the office anyway:\n- mail and phones until ten\n- then the inspection at pier 3');
  await say(j, 'The checklist is at https://harbour.example/checklists/pier-3');
  await say(a, 'Perfect, thank you both. See you on Thursday.');
  const { conversation: direct } = await m({ type: 'send', to: ada.user, body: text('你好 Ada，周四的排班我已经更新了。') });
  await a({ type: 'send', conversation: direct, body: text('Thank you! 看到了。') });
  await m({ type: 'send', conversation: direct, body: text('还有一个问题：三号码头的检查是十点半吗？') });
  const { conversation: trip } = await b({ type: 'create', kind: 'group', title: '周末远足', members: [ada.user, mei.user], history: true });
  await b({ type: 'send', conversation: trip, body: text('Saturday looks dry. Shall we take the coast path?') });
  await j({ type: 'send', to: ada.user, body: text('Lunch at one?') });
  const { code } = await server.invite(ada, 5);
  return { ada, group, direct, code };
}
