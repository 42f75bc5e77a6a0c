import { defineConfig } from 'vitest/config';

/** The tests of what is mutated. */
export default defineConfig({ test: { include: ['src/{matching,evaluation}/**/*.test.ts'] } });
