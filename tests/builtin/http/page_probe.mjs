// Runs the documentation page's script on a document of its own making, in which only elements and text exist.
// In: a JSON object {script, spec, pathname, actions} on stdin. Out: what is shown, which elements there are, which
// requests were made. An action is {open: route}, {fill: label, text}, {send: route} or {find: text}.
import vm from "node:vm";

class Text {
  constructor(text) { this.text = String(text); }
}

class Element {
  constructor(name) {
    this.name = name; this.attributes = new Map(); this.childNodes = []; this.listeners = new Map();
    this.value = ""; this.hidden = false; this.open = false;
  }
  setAttribute(key, value) {
    if (/^on|^style$|^src$|^href$/i.test(key)) throw new Error(`attribute ${key}`);
    this.attributes.set(key, value);
    if (key === "hidden") this.hidden = true;
  }
  removeAttribute(key) { this.attributes.delete(key); if (key === "hidden") this.hidden = false; }
  addEventListener(kind, listener) { this.listeners.set(kind, listener); }
  append(...children) {
    for (const child of children) this.childNodes.push(child instanceof Element ? child : new Text(child));
  }
  replaceChildren(...children) { this.childNodes = []; this.append(...children); }
  set textContent(text) { this.childNodes = [new Text(text)]; }
  get textContent() { return this.childNodes.map((one) => (one instanceof Text ? one.text : one.textContent)).join(""); }
  *all() { for (const child of this.childNodes) if (child instanceof Element) { yield child; yield* child.all(); } }
  *texts() { for (const child of this.childNodes) if (child instanceof Text) yield child.text; else if (!child.hidden) yield* child.texts(); }
}
for (const forbidden of ["innerHTML", "outerHTML", "srcdoc"]) {
  Object.defineProperty(Element.prototype, forbidden, { set() { throw new Error(forbidden); } });
}

let input = "";
for await (const part of process.stdin) input += part;
const { script, spec, pathname, actions } = JSON.parse(input);

const ids = Object.fromEntries(["routes", "title", "about", "filter", "source"].map((id) => [id, new Element("div")]));
const document = { title: "", getElementById: (id) => ids[id], createElement: (name) => new Element(name) };
const requests = [];
async function fetch(url, options) {
  if (options === undefined) {
    requests.push({ url });
    return { ok: spec !== null, status: spec === null ? 404 : 200, json: async () => spec };
  }
  requests.push({ url, method: options.method, headers: options.headers, body: options.body, redirect: options.redirect });
  return { status: 201, statusText: "Created", headers: new Headers({ "x-own": "<b>value</b>" }), text: async () => "<i>answer</i>" };
}
const location = { origin: "http://site.example:3111", pathname };
const settle = async () => { for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate); };

vm.runInNewContext(script, { document, location, fetch, URL, URLSearchParams });
await settle();
const routes = () => [...ids.routes.all()].filter((one) => one.attributes.get("class") === "route");
const named = (title) => routes().find((one) => one.childNodes[0].textContent.startsWith(title));
for (const action of actions) {
  if (action.open !== undefined) {
    const route = named(action.open);
    route.open = true;
    route.listeners.get("toggle")();
  } else if (action.fill !== undefined) {
    const field = [...ids.routes.all()].find((one) => one.attributes.get("aria-label") === action.fill);
    field.value = action.text;
  } else if (action.send !== undefined) {
    [...named(action.send).all()].find((one) => one.name === "button").listeners.get("click")();
    await settle();
  } else {
    ids.filter.value = action.find;
    ids.filter.listeners.get("input")();
  }
}
const fields = Object.fromEntries([...ids.routes.all()].filter((one) => one.name === "textarea").map((one) => [one.attributes.get("aria-label"), one.value]));
console.log(JSON.stringify({
  title: ids.title.textContent, texts: [...ids.routes.texts()], elements: [...new Set([...ids.routes.all()].map((one) => one.name))].sort(),
  shown: routes().filter((one) => !one.hidden).map((one) => one.childNodes[0].textContent), requests, fields,
}));
