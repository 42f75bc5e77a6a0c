#!/usr/bin/env node
// npm links commands while installing, when a clone has nothing built yet: so this file is not built. Without a build
// the sources run as they are.
import { existsSync } from 'node:fs';

const built = new URL('../dist/main.js', import.meta.url);
const { main } = await import(existsSync(built) ? built.href : new URL('../src/main.ts', import.meta.url).href);
await main();
