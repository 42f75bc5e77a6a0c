import { expect, test } from 'vitest';
import { runTool } from './run-tool.ts';

test('a program that a signal ended says which one', async () => {
  const result = await runTool({ argv: ['/bin/sh', '-c', 'echo half >&2; kill -9 $$'], env: {} });
  expect(result.status).toBe(-1);
  expect(result.stderr).toMatch(/^half\nended by SIGKILL/);
});
