// Where the client begins. What must not live here: anything but opening the engine and drawing the first page.
import { render } from 'preact';
import { App } from './ui/app';
import { beginInstalled } from './ui/installed/begin';
import './ui/look';
import { start } from './ui/state';
import './ui/style.css';

// A conversation is fetched while the engine opens.
if (location.pathname.startsWith('/c/')) void import('./ui/talk').catch(() => {});
await start();
const place = document.getElementById('app');
if (place) {
  place.replaceChildren();
  render(<App />, place);
}
beginInstalled();
