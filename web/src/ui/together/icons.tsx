// Signs that no font has for sure, as drawings. What must not live here: what they mean.

const PATHS = {
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13m5 11.5L20 20',
  details: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18m0 8v5m0-8.5v.1',
  thread: 'M4 5h16v11H9l-4 4v-4H4zM8 9h8M8 12h5',
  emoji: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M8.5 10v.1m7-.1v.1M8 14.5c1 1.5 2.400 2.200 4 2.200s3-.7 4-2.200',
  announce: 'M4 10v4h3l7 4V6l-7 4zM18 9.500c1 1.500 1 3.500 0 5',
  pin: 'M9 4h6l-1 6 3 3H7l3-3zM12 13v7',
  reply: 'M10 6 4 12l6 6M4 12h10c4 0 6 2 6 6',
};

export function Icon({ of }: { of: keyof typeof PATHS }) {
  return (
    <svg class="drawn" viewBox="0 0 24 24" width="20" height="20" aria-hidden="true">
      <path d={PATHS[of]} />
    </svg>
  );
}
