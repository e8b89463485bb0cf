// Fetched by browsers that know no modules, and so cannot run the page: they are told at once. What must not live here: anything
// such a browser would not understand.
document.documentElement.className += ' too-old';
