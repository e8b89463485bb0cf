// Where the client begins. What must not live here: anything but putting it into the page.
import { render } from 'preact';
render(<p>hello</p>, document.getElementById('app')!);
