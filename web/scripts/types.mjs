// Makes src/proto/index.ts from the server's JSON Schemas: `npm run types`. With --check it writes nothing and ends with 1
// when the file is not what the schemas say. What must not live here: types written by hand.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const HOME = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const SCHEMAS = process.env.KINGLET_SCHEMAS ?? path.join(HOME, '../docs/schema');
const TO = path.join(HOME, 'src/proto/index.ts');
const ROOTS = { request: 'Request', reply: 'Reply', event: 'Event', notice: 'Notice', error: 'ErrorFrame' };
const PLAIN = { string: 'string', integer: 'number', number: 'number', boolean: 'boolean', null: 'null' };
/** What says something about values, not about the type. */
const SILENT = ['description', 'title', 'pattern', 'format', '$schema', '$defs', 'minimum', 'maximum', 'minItems', 'maxItems', 'minLength', 'maxLength', 'uniqueItems', 'contentEncoding', 'examples', 'default'];
const KNOWN = [...SILENT, '$ref', 'oneOf', 'anyOf', 'const', 'enum', 'type', 'items', 'properties', 'required'];

const comment = (text, indent) => (text ? `${indent}/** ${text.replace(/\s+/g, ' ').replaceAll('*/', '* /')} */\n` : '');
const union = (parts) => {
  const one = [...new Set(parts)];
  return one.length === 1 ? one[0] : `(${one.join(' | ')})`;
};

function object(schema, indent) {
  const required = new Set(schema.required ?? []);
  const lines = Object.entries(schema.properties ?? {}).map(([name, of]) => {
    const deeper = `${indent}  `;
    return `${comment(of.description, deeper)}${deeper}${name}${required.has(name) ? '' : '?'}: ${type(of, deeper)};\n`;
  });
  return lines.length ? `{\n${lines.join('')}${indent}}` : 'Record<string, unknown>';
}

function plain(schema, indent) {
  const kinds = [schema.type].flat();
  return union(
    kinds.map((kind) => {
      if (kind === 'array') return `${type(schema.items ?? {}, indent)}[]`;
      if (kind === 'object') return object(schema, indent);
      const name = PLAIN[kind];
      if (!name) throw new Error(`no type for ${JSON.stringify(schema)}`);
      return name;
    }),
  );
}

/** The parts that a value has to be all at once: the reference, one of the alternatives, and its own properties. */
function type(schema, indent) {
  if (schema === true || Object.keys(schema).every((key) => SILENT.includes(key))) return 'unknown';
  const unknown = Object.keys(schema).filter((key) => !KNOWN.includes(key));
  if (unknown.length) throw new Error(`this program does not know the words ${unknown.join(', ')} of JSON Schema`);
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.enum) return union(schema.enum.map((one) => JSON.stringify(one)));
  const parts = [];
  if (schema.$ref) parts.push(schema.$ref.split('/').at(-1));
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) parts.push(union(choices.map((one) => type(one, indent))));
  if (schema.properties) parts.push(object(schema, indent));
  else if (schema.type && !parts.length) parts.push(plain(schema, indent));
  return parts.join(' & ');
}

async function definitions() {
  const all = new Map();
  const add = (name, schema) => {
    const there = all.get(name);
    const same = JSON.stringify(there) === JSON.stringify(schema);
    if (there && !same) throw new Error(`two schemas are called ${name} and differ`);
    all.set(name, schema);
  };
  const take = async (file, name) => {
    const { $defs, $schema, title, ...own } = JSON.parse(await readFile(path.join(SCHEMAS, file), 'utf8'));
    for (const [inner, of] of Object.entries($defs ?? {})) add(inner, { ...of, title: undefined });
    add(name, { ...own, title: undefined });
  };
  for (const [file, name] of Object.entries(ROOTS)) await take(`${file}.json`, name);
  for (const file of (await readdir(path.join(SCHEMAS, 'http'))).sort()) await take(`http/${file}`, file.slice(0, -5));
  return new Map([...all].sort(([one], [other]) => (one < other ? -1 : 1)));
}

async function wanted() {
  let text = '// The words of the protocol, made from docs/schema by `npm run types`. What must not live here: anything by hand.\n';
  for (const [name, { title, ...schema }] of await definitions())
    text += `\n${comment(schema.description, '')}export type ${name} = ${type(schema, '')};\n`;
  return text;
}

const text = await wanted();
const there = await readFile(TO, 'utf8').catch(() => '');
if (process.argv.includes('--check')) {
  if (there !== text) {
    console.error('src/proto/index.ts is not what docs/schema says. Run: npm --prefix web run types');
    process.exit(1);
  }
} else {
  await mkdir(path.dirname(TO), { recursive: true });
  await writeFile(TO, text);
}
