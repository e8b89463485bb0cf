// The machine under the server: what its kernel tells of heat, power and the card. What must not live here: the plug test
// (plug.tsx), and what is bad from where on, which the server says.
import { board as spoken } from '../../i18n/board';
import { count, size, span } from '../../i18n/desk';
import { office } from '../../i18n/office';
import type { BoardFlag, BoardHealth, BoardWarning, CardHealth, Times } from '../../proto';
import { quantile } from './figures';
import { Figure, Part, type Tone } from './parts';
import { PlugTest } from './plug';

const DAY_MS = 86_400_000;
/** From here on the estimate is not worth a number. */
const LONG_DAYS = 3_653;

/** What is wrong and what to do; the server's own words where there are none here. */
export function warned({ code, message, next }: BoardWarning): string {
  return (spoken.value.warnings[code] ?? [message, next]).join(' ');
}

export function Board({ board, commit }: { board: BoardHealth; commit: Times }) {
  const w = spoken.value;
  return (
    <>
      <Part title={w.title} hint={board.asked ? w.lead : `${w.lead} ${w.asked}`}>
        <Figures board={board} commit={commit} />
      </Part>
      <Part title={w.plug} hint={w.plugLead}>
        <PlugTest />
      </Part>
    </>
  );
}

function Figures({ board, commit }: { board: BoardHealth; commit: Times }) {
  const w = spoken.value;
  const { card, warnings } = board;
  const warns = (code: BoardWarning['code'], tone: Tone): Tone => (warnings.some((one) => one.code === code) ? tone : 'plain');
  const told = (value: number | null | undefined) => (value == null ? w.notReported : count(value));
  return (
    <dl class="figures">
      <Figure name={w.temperature} value={board.celsius == null ? w.notReported : `${count(board.celsius)} °C`} tone={warns('hot', 'watch')} />
      <Flag name={w.voltage} flag={board.under_voltage} words={[w.voltageGood, w.voltageBad]} tone={warns('under_voltage', 'bad')} />
      <Flag name={w.speed} flag={board.throttled} words={[w.speedGood, w.speedBad]} tone={warns('throttled', 'watch')} />
      <Figure name={w.card} value={card?.size == null ? w.notReported : size(card.size)} note={card ? w.cardOf(card.name, card.kind ?? '') : ''} />
      <Written card={card ?? undefined} />
      <Life card={card ?? undefined} tone={warns('card_worn', 'bad') === 'bad' ? 'bad' : warns('card_ending', 'watch')} />
      <Figure name={w.errors} value={told(card?.errors)} note={card?.errors == null ? '' : w.errorsNote} tone={warns('card_errors', 'bad')} />
      <Figure name={w.fileErrors} value={told(board.file_system_errors)} tone={warns('file_system', 'bad')} />
      <Syncs commit={commit} tone={warns('card_slow', 'watch')} />
    </dl>
  );
}

function Flag({ name, flag, words, tone }: { name: string; flag: BoardFlag | null | undefined; words: readonly [string, string]; tone: Tone }) {
  const { notReported, hasBeen } = spoken.value;
  if (!flag) return <Figure name={name} value={notReported} />;
  return <Figure name={name} value={words[flag.now ? 1 : 0]} tone={tone} note={!flag.now && flag.since_start ? hasBeen : ''} />;
}

function Written({ card }: { card: CardHealth | undefined }) {
  const w = spoken.value;
  if (card?.written == null) return <Figure name={w.perDay} value={w.notReported} />;
  if (card.written_per_day == null) return <Figure name={w.perDay} value="—" note={w.perDayWait} />;
  return <Figure name={w.perDay} value={size(card.written_per_day)} note={w.perDayNote(span(card.measured_ms ?? 0))} />;
}

/** What the card says itself goes before what is reckoned. */
function Life({ card, tone }: { card: CardHealth | undefined; tone: Tone }) {
  const w = spoken.value;
  if (card?.life_used_percent != null) return <Figure name={w.life} value={w.lifeUsed(card.life_used_percent)} note={w.lifeOwn} share={card.life_used_percent / 100} tone={tone} />;
  if (card?.endurance == null) return <Figure name={w.life} value={w.notReported} />;
  const note = (card.assumed ? w.lifeAssumed : w.lifeStated)(size(card.endurance));
  const days = card.days_left;
  const value = days == null ? '—' : days > LONG_DAYS ? w.lifeLong : w.lifeDays(span(days * DAY_MS));
  return <Figure name={w.life} value={value} note={note} tone={tone} />;
}

function Syncs({ commit, tone }: { commit: Times; tone: Tone }) {
  const w = spoken.value;
  const ms = (share: number) => {
    const value = quantile(commit, share);
    return value === undefined ? '—' : office.value.ms(Number.isFinite(value) ? `≤ ${count(value)}` : '> 10 000');
  };
  return <Figure name={w.sync} value={ms(0.5)} note={w.syncNote(ms(0.99))} tone={tone} />;
}
