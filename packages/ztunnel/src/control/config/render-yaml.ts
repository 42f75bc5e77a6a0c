import { type Described, Tagged } from './describe-config.ts';

/**
 * A described configuration as YAML in the layout of the reference: two blanks a level, lists at the level of their key,
 * single quotes only where needed. Ends in a newline.
 */
export function renderYaml(described: { readonly [key: string]: Described }): string {
  return renderMap(described, '');
}

function renderMap(map: { readonly [key: string]: Described }, indent: string): string {
  let text = '';
  for (const [key, value] of Object.entries(map)) text += `${indent}${renderScalar(key)}:${renderValue(value, indent)}`;
  return text;
}

/** What follows the colon of a key at `indent`, newline included. */
function renderValue(value: Described, indent: string): string {
  if (value instanceof Tagged) return ` !${value.tag}${renderValue(value.value, indent)}`;
  if (isList(value)) return value.length === 0 ? ' []\n' : `\n${renderList(value, indent)}`;
  if (typeof value === 'object' && value !== null) {
    return Object.keys(value).length === 0 ? ' {}\n' : `\n${renderMap(value, `${indent}  `)}`;
  }
  return ` ${renderScalar(value)}\n`;
}

function renderList(list: readonly Described[], indent: string): string {
  let text = '';
  for (const item of list) {
    const isMap = typeof item === 'object' && item !== null && !isList(item) && !(item instanceof Tagged);
    text += isMap
      ? `${indent}- ${renderMap(item, `${indent}  `).slice(indent.length + 2)}`
      : `${indent}-${renderValue(item, `${indent}  `)}`;
  }
  return text;
}

function isList(value: Described): value is readonly Described[] {
  return Array.isArray(value);
}

function renderScalar(value: string | number | boolean | null): string {
  if (typeof value !== 'string') return String(value);
  // oxlint-disable-next-line no-control-regex -- what single quotes cannot hold
  if (/[\u0000-\u001f\u007f]/.test(value)) return JSON.stringify(value);
  const plain = /^[A-Za-z/.<][^#'"\\]*$/.test(value) && !/: |:$|\s$/.test(value) && !isKeyword(value);
  const address = /^\d+\.\d+\.\d+\.\d+$/.test(value);
  return plain || address ? value : `'${value.replaceAll("'", "''")}'`;
}

function isKeyword(text: string): boolean {
  return /^(?:true|false|yes|no|on|off|y|n|null|~|\.nan|\.inf)$/i.test(text);
}
