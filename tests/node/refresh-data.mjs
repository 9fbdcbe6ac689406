// Writes src/digest/issue/checks/data/mjml.json and caniemail.json from the packages `mjml` and `caniemail`.
//
//   node tests/node/refresh-data.mjs [NODE_MODULES]
//
// NODE_MODULES is the folder both are installed in, tests/node/node_modules where it is not given.
// The same packages always give the same bytes.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const DATA = join(HERE, "..", "..", "src", "digest", "issue", "checks", "data");
const modules = resolve(process.argv[2] ?? join(HERE, "node_modules"));
const load = createRequire(join(modules, "here.js"));

// The clients we name, each with where caniemail keeps it. "Outlook.com" is one web app with the new Outlook for
// Windows. Thunderbird is one program on all systems, and nearly all tests of it were made on macOS.
const CLIENTS = {
  "Apple Mail on macOS": ["apple-mail", "macos"],
  "Apple Mail on iOS": ["apple-mail", "ios"],
  "Gmail on the web": ["gmail", "desktop-webmail"],
  "Gmail on the web of a phone": ["gmail", "mobile-webmail"],
  "Gmail on iOS": ["gmail", "ios"],
  "Gmail on Android": ["gmail", "android"],
  "Outlook for Windows (classic)": ["outlook", "windows"],
  "Outlook.com and the new Outlook": ["outlook", "outlook-com"],
  "Outlook on macOS": ["outlook", "macos"],
  "Outlook on iOS": ["outlook", "ios"],
  "Outlook on Android": ["outlook", "android"],
  "Yahoo Mail on the web": ["yahoo", "desktop-webmail"],
  "Yahoo Mail on iOS": ["yahoo", "ios"],
  "Yahoo Mail on Android": ["yahoo", "android"],
  "Samsung Email": ["samsung-email", "android"],
  Thunderbird: ["thunderbird", "macos"],
  "Proton Mail on the web": ["protonmail", "desktop-webmail"],
  "Fastmail on the web": ["fastmail", "desktop-webmail"],
  HEY: ["hey", "desktop-webmail"],
};

// How a feature is seen in a mail where its slug or title does not say it: kind and names (see `uses`).
const SIDES = ["top", "right", "bottom", "left"];
const BY_HAND = {
  "css-at-media-device-pixel-ratio": ["media", "-webkit-device-pixel-ratio", "-webkit-min-device-pixel-ratio"],
  "css-at-media-hover": ["media", "hover", "any-hover"],
  "css-block-inline-size": ["property", "block-size"],
  "css-border": ["property", "border", ...SIDES.map((side) => `border-${side}`), ...["width", "style", "color"].flatMap(
    (part) => [`border-${part}`, ...SIDES.map((side) => `border-${side}-${part}`)])],
  "css-border-radius": ["property", "border-radius", ...["top-left", "top-right", "bottom-left", "bottom-right"].map(
    (corner) => `border-${corner}-radius`)],
  "css-comments": ["css", "comment"],
  "css-column-layout-properties": ["property", "columns", "column-fill", "column-rule", "column-span", "column-width"],
  "css-display-flex": ["value", "display=flex", "display=inline-flex"],
  "css-display-grid": ["value", "display=grid", "display=inline-grid"],
  "css-display-none": ["value", "display=none"],
  "css-gap": ["property", "gap", "column-gap", "row-gap"],
  "css-grid-template": ["property", "grid-template", "grid-template-areas", "grid-template-columns", "grid-template-rows"],
  "css-important": ["css", "!important"],
  "css-inert-attribute": ["attribute", "inert"],
  "css-intrinsic-size": ["keyword", "fit-content", "min-content", "max-content"],
  "css-left-right-top-bottom": ["property", ...SIDES],
  "css-margin": ["property", "margin", ...SIDES.map((side) => `margin-${side}`)],
  "css-modern-color": ["function", "lch", "oklch", "lab", "oklab"],
  "css-nesting": ["css", "nesting"],
  "css-padding": ["property", "padding", ...SIDES.map((side) => `padding-${side}`)],
  "css-rgb": ["function", "rgb"],
  "css-rgba": ["function", "rgba"],
  "css-scroll-snap": ["property", "scroll-snap-type", "scroll-snap-align"],
  "css-sytem-ui": ["keyword", "system-ui", "ui-serif", "ui-sans-serif", "ui-rounded", "ui-monospace"],
  "css-unit-calc": ["function", "calc"],
  "css-unit-initial": ["keyword", "initial"],
  "css-unit-percent": ["unit", "%"],
  "css-variables": ["function", "var"],
  "html-anchor-links": ["link", "#"],
  "html-comments": [], // a comment that is taken out is not missed
  "html-doctype": [], // every webmail puts its own
  "html-h1-h6": ["element", "h1", "h2", "h3", "h4", "h5", "h6"],
  "html-image-maps": ["element", "map", "area"],
  "html-lists": ["element", "ul", "ol", "dl"],
  "html-mailto-links": ["link", "mailto"],
  "html-meta-color-scheme": ["meta", "color-scheme"],
  "html-object": ["element", "object", "embed"],
  "html-semantics": ["element", "article", "aside", "details", "figcaption", "figure", "footer", "header", "main",
    "mark", "nav", "section", "summary", "time"],
  "html-srcset": ["attribute", "srcset", "sizes"],
  "image-apng": [], // its name ends like a still PNG's
  "image-hdr": [], // it may be in several formats
  "image-heif": ["image", "heif", "heic"],
  "image-jpg": ["image", "jpg", "jpeg"],
  "image-tiff": ["image", "tiff", "tif"],
};

// Features whose keywords are the properties they speak of.
const LISTED = ["css-border-inline-block-individual", "css-border-inline-block-longhand", "css-border-radius-logical"];

/** What to look for in a mail, such as "property:gap"; nothing where a feature cannot be seen in one. */
function uses({ slug, title, keywords }) {
  const hand = BY_HAND[slug];
  if (hand) return hand.slice(1).map((name) => `${hand[0]}:${name}`);
  if (LISTED.includes(slug)) return keywords.split(/, */).map((name) => `property:${name}`);
  const [, family, rest] = /^(css|html|image)-(.+)$/.exec(slug) ?? [];
  if (family === "image") return [`image:${rest}`];
  if (family === "html") {
    const typed = /^<(\w+) type="(\w+)">/.exec(title);
    if (typed) return [`typed:${typed[1]}=${typed[2]}`];
    const attribute = /^([\w-]+) attribute$/.exec(title);
    return [attribute ? `attribute:${attribute[1]}` : `element:${rest}`];
  }
  if (family !== "css") return [];
  if (/gradient$/.test(rest)) return [`function:${rest}`, `function:repeating-${rest}`];
  const prefixed = /^(at-media|at|pseudo-class|pseudo-element|selector|unit|function)-(.+)$/.exec(rest);
  const kinds = { "at-media": "media", "pseudo-class": "pseudo", "pseudo-element": "pseudo" };
  if (prefixed) return [`${kinds[prefixed[1]] ?? prefixed[1]}:${prefixed[2]}`];
  const listed = title.match(/[a-z]+(-[a-z]+)+/g) ?? [];
  return listed.length > 1 ? listed.map((name) => `property:${name}`) : [`property:${rest}`];
}

function version(name) {
  return JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8")).version;
}

/** An object or a list with one entry a line. */
function lines(entries, open, close) {
  return `${open}\n${entries.map((entry) => `  ${entry}`).join(",\n")}\n ${close}`;
}

function write(name, parts) {
  const body = Object.entries(parts).map(([key, text]) => ` ${JSON.stringify(key)}: ${text}`);
  writeFileSync(join(DATA, name), `{\n${body.join(",\n")}\n}\n`);
}

function caniemail() {
  // A JavaScript object puts keys such as "15" before "10.3"; the newest version is the last as it is written.
  const text = readFileSync(join(modules, "caniemail", "data", "caniemail.json"), "utf8");
  const { data } = JSON.parse(text.replace(/"(\d+)"(\s*:)/g, '"v$1"$2'));
  const newest = (feature, [family, platform]) =>
    (Object.values(feature.stats[family]?.[platform] ?? {}).at(-1) ?? "u")[0];
  const features = data
    .map((feature) => ({ ...feature, uses: uses(feature).sort() }))
    .filter((feature) => feature.uses.length)
    .sort((one, other) => (one.slug < other.slug ? -1 : 1))
    .map((feature) => {
      const support = Object.values(CLIENTS).map((client) => newest(feature, client)).join("");
      if (!/^[yanu]+$/.test(support)) throw new Error(`${feature.slug}: what is ${support}?`);
      if (feature.url !== `https://www.caniemail.com/features/${feature.slug}/`) throw new Error(feature.url);
      const entry = { title: feature.title.trim(), uses: feature.uses, support };
      return `${JSON.stringify(feature.slug)}: ${JSON.stringify(entry)}`;
    });
  write("caniemail.json", {
    version: JSON.stringify(version("caniemail")),
    date: JSON.stringify(data.map((feature) => feature.last_test_date).sort().at(-1)),
    clients: lines(Object.keys(CLIENTS).map((name) => JSON.stringify(name)), "[", "]"),
    features: lines(features, "{", "}"),
  });
}

function mjml() {
  const { components, dependencies } = load("mjml-preset-core").default ?? load("mjml-preset-core");
  const colors = load("mjml-core/lib/types/helpers/colors").default ?? load("mjml-core/lib/types/helpers/colors");
  const known = new Map(components.map((each) => [each.componentName, each]));
  // Elements and attributes that MJML takes without a component (mjml-core, mjml-validator, mjml-head-attributes).
  const bare = {
    mjml: { dir: "string", lang: "string", owa: "string" },
    "mj-all": {},
    "mj-class": { name: "string" },
    "mj-selector": { path: "string" },
    "mj-html-attribute": { name: "string" },
  };
  const sorted = (values) => Object.fromEntries(Object.entries(values).sort(([one], [other]) => (one < other ? -1 : 1)));
  const entries = [...new Set([...known.keys(), ...Object.keys(bare)])].sort().map((name) => {
    const component = known.get(name);
    const entry = {
      ending: Boolean(component?.endingTag) || name === "mj-html-attribute",
      children: (dependencies[name] ?? []).filter((child) => typeof child === "string").sort(),
      attributes: sorted(component?.allowedAttributes ?? bare[name] ?? {}),
    };
    return `${JSON.stringify(name)}: ${JSON.stringify(entry)}`;
  });
  write("mjml.json", {
    version: JSON.stringify(version("mjml")),
    colors: JSON.stringify([...colors].sort()),
    elements: lines(entries, "{", "}"),
  });
}

caniemail();
mjml();
