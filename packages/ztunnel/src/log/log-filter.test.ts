import { expect, test } from 'vitest';
import { type LogFilter, parseLogFilter } from './log-filter.ts';

function filter(text: string): LogFilter {
  const parsed = parseLogFilter(text);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
}

test.each([
  { text: '', scope: 'app', level: 'info', enabled: true },
  { text: '', scope: 'app', level: 'debug', enabled: false },
  { text: 'debug', scope: 'access', level: 'debug', enabled: true },
  { text: 'info,access=debug', scope: 'access', level: 'debug', enabled: true },
  { text: 'info,access=debug', scope: 'app', level: 'debug', enabled: false },
  { text: 'info,access=warn', scope: 'access', level: 'info', enabled: false },
  { text: 'ztunnel=debug', scope: 'app', level: 'debug', enabled: true },
  { text: 'ztunnel=debug', scope: 'access', level: 'debug', enabled: false },
  { text: 'ztunnel::inpod=off', scope: 'inpod::protocol', level: 'error', enabled: false },
  { text: 'ztunnel::inpod=off', scope: 'inpods', level: 'error', enabled: true },
  { text: 'inpod=off,inpod::protocol=DEBUG', scope: 'inpod::protocol', level: 'debug', enabled: true },
  { text: 'off', scope: 'app', level: 'error', enabled: false },
] as const)('$text prints $scope at $level: $enabled', ({ text, scope, level, enabled }) => {
  expect(filter(text).isEnabled(scope, level)).toBe(enabled);
});

test.each(['loud', 'access=loud', '=info', 'a b=info', 'x[span]=info'])('%s is refused', (text) => {
  expect(typeof parseLogFilter(text)).toBe('string');
});

test('§13: shown with the bare level last', () => {
  expect(filter('debug,access=warn').toString()).toBe('hickory_server::server=off,access=warn,debug');
});
