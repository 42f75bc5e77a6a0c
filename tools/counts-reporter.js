// A Vitest reporter that writes the counts of a run as JSON to descriptor 3, where `tools/test.js` reads them.
import { writeFileSync } from 'node:fs';

const DESCRIPTOR = 3;

// oxlint-disable-next-line import/no-default-export -- so Vitest finds it
export default class CountsReporter {
  onTestRunEnd(modules) {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      const states = [...module.children.allTests()].map((test) => test.result().state);
      for (const state of states) if (state in counts) counts[state] += 1;
      // A file that cannot be loaded has no tests.
      if (states.length === 0 && module.state() === 'failed') counts.failed += 1;
    }
    writeFileSync(DESCRIPTOR, JSON.stringify(counts));
  }
}
