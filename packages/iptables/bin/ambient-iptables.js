#!/usr/bin/env node
// npm links commands while installing, when a clone has nothing built yet: so this file is not built. In a clone the
// sources run as they are, for what is built may be old; in node_modules, where Node runs no TypeScript, what is built.
import { existsSync } from 'node:fs';

const built = new URL('../dist/main.js', import.meta.url);
const source = new URL('../src/main.ts', import.meta.url);
const installed = import.meta.url.includes('/node_modules/');
// Older ones fail somewhere inside, of something that they do not know.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`ambient-iptables needs Node 22.19 or newer, this is ${process.versions.node}\n`);
  process.exitCode = 2;
} else {
  const { main } = await import(!installed && existsSync(source) ? source.href : built.href);
  await main();
}
