// Signs tokens with jose: headers and claims in, tokens out, as JSON.

import { createRequire } from "node:module";
import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

// It is installed elsewhere, in the folder that is named.
const installed = createRequire(`${process.argv[2]}/package.json`);
const { SignJWT } = await import(pathToFileURL(installed.resolve("jose")));
const asked = JSON.parse(readFileSync(0, "utf8"));
const key = createPrivateKey(asked.key);
const sign = ({ header, claims }) => new SignJWT(claims).setProtectedHeader(header).sign(key);
const signed = await Promise.all(asked.tokens.map((tokens) => Promise.all(tokens.map(sign))));
console.log(JSON.stringify(signed));
