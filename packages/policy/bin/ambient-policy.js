#!/usr/bin/env node
// npm links commands while installing, when a clone has nothing built yet: so this file is not built. In a clone the
// sources run as they are, for what is built may be old; in node_modules, where Node runs no TypeScript, what is built.
import { existsSync } from 'node:fs';

const built = new URL('../dist/main.js', import.meta.url);
const source = new URL('../src/main.ts', import.meta.url);
const installed = import.meta.url.includes('/node_modules/');
const { main } = await import(!installed && existsSync(source) ? source.href : built.href);
await main();
