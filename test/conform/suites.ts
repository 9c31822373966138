/** Every conformance suite, in the order they run and are reported. */
import { benchSuite } from './bench.ts';
import { capturedSuite } from './captured.ts';
import { hostSuite } from './host.ts';
import { randomSuite } from './random.ts';
import type { Suite } from './suite.ts';
import { bochsSuite, qemuSuite } from './system/suite.ts';

export const SUITES: readonly Suite[] = [capturedSuite, hostSuite, qemuSuite, bochsSuite, randomSuite, benchSuite];
