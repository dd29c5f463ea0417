"use strict";
(() => {
  const METHODS = ["get", "post", "put", "patch", "delete", "head"];
  const DEEPEST = 8;
  const SHOWN_CHARACTERS = 200000;
  const main = document.getElementById("routes");
  // Everything is asked of this page's own host, below the folder that the page itself is in.
  const root = location.origin + location.pathname.replace(/[^/]*$/, "").replace(/\/$/, "");

  // Makes an element. Children that are no elements become text: nothing is ever read as markup.
  function make(name, attributes, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === true) element.setAttribute(key, "");
      else if (value !== false && value !== undefined) element.setAttribute(key, String(value));
    }
    element.append(...children.flat().filter((one) => one !== undefined && one !== null));
    return element;
  }

  function resolve(spec, value) {
    let found = value;
    for (let step = 0; step < DEEPEST && found && typeof found.$ref === "string"; step += 1) {
      found = found.$ref
        .replace(/^#\//, "")
        .split("/")
        .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
        .reduce((at, part) => (at !== null && typeof at === "object" && Object.hasOwn(at, part) ? at[part] : undefined), spec);
    }
    return found === undefined ? {} : found;
  }

  function typeOf(spec, schema) {
    const at = resolve(spec, schema);
    if (typeof at !== "object" || at === null) return at === false ? "nothing" : "anything";
    if (Array.isArray(at.enum)) return at.enum.map((one) => JSON.stringify(one)).join(" | ");
    if (Object.hasOwn(at, "const")) return JSON.stringify(at.const);
    for (const key of ["anyOf", "oneOf", "allOf"]) {
      if (Array.isArray(at[key])) return at[key].slice(0, DEEPEST).map((one) => shortName(spec, one)).join(key === "allOf" ? " & " : " | ");
    }
    if (at.type === "array") return `list of ${at.items === undefined ? "anything" : shortName(spec, at.items)}`;
    if (Array.isArray(at.type)) return at.type.join(" | ");
    return at.format ? `${at.type || "text"} (${at.format})` : at.type || "anything";
  }

  function shortName(spec, schema) {
    if (schema && typeof schema.$ref === "string") return schema.$ref.split("/").pop();
    const at = schema || {};
    return Array.isArray(at.type) ? at.type.join(" | ") : at.type || typeOf(spec, at);
  }

  // A value of the schema's shape, to start from.
  function example(spec, schema, depth = 0) {
    const at = resolve(spec, schema);
    if (typeof at !== "object" || at === null || depth > DEEPEST) return null;
    if (at.default !== undefined) return at.default;
    if (at.example !== undefined) return at.example;
    if (Array.isArray(at.examples) && at.examples.length) return at.examples[0];
    if (at.const !== undefined) return at.const;
    if (Array.isArray(at.enum) && at.enum.length) return at.enum[0];
    if (Array.isArray(at.allOf)) return Object.assign({}, ...at.allOf.map((one) => example(spec, one, depth + 1)));
    for (const key of ["anyOf", "oneOf"]) if (Array.isArray(at[key]) && at[key].length) return example(spec, at[key][0], depth + 1);
    const type = Array.isArray(at.type) ? at.type[0] : at.type;
    if (type === "object" || at.properties) {
      const made = {};
      for (const [name, one] of Object.entries(at.properties || {})) {
        Object.defineProperty(made, name, { value: example(spec, one, depth + 1), enumerable: true });
      }
      return made;
    }
    if (type === "array") return at.items === undefined ? [] : [example(spec, at.items, depth + 1)];
    return { string: "", integer: 0, number: 0, boolean: false }[type] ?? null;
  }

  function schemaBlock(spec, schema) {
    const at = resolve(spec, schema);
    const name = schema && typeof schema.$ref === "string" ? shortName(spec, schema) : undefined;
    const parts = [];
    if (name) parts.push(make("p", {}, make("code", {}, name)));
    const properties = at && typeof at.properties === "object" ? Object.entries(at.properties) : [];
    if (properties.length) {
      const required = new Set(Array.isArray(at.required) ? at.required : []);
      parts.push(make("table", {}, properties.map(([key, one]) => make("tr", {},
        make("td", {}, make("code", {}, key), required.has(key) ? "" : " (optional)"),
        make("td", {}, make("code", {}, typeOf(spec, one))),
        make("td", { class: "description" }, (resolve(spec, one) || {}).description || "")))));
    } else {
      parts.push(make("p", {}, make("code", {}, typeOf(spec, schema))));
    }
    parts.push(make("details", {}, make("summary", {}, "JSON Schema"), make("pre", {}, JSON.stringify(at, null, 2))));
    return parts;
  }

  function parameterTable(spec, parameters) {
    return make("table", {}, parameters.map((one) => make("tr", {},
      make("td", {}, make("code", {}, one.name), one.required ? "" : " (optional)"),
      make("td", {}, one.in),
      make("td", {}, make("code", {}, typeOf(spec, one.schema))),
      make("td", { class: "description" }, one.description || ""))));
  }

  function address(path, parameters, values) {
    let filled = path;
    const query = new URLSearchParams();
    for (const one of parameters) {
      const value = values.get(one) ?? "";
      if (one.in === "path") {
        const written = one["x-iii-rest"] ? value.split("/").map(encodeURIComponent).join("/") : encodeURIComponent(value);
        filled = filled.split(`{${one.name}}`).join(written);
      } else if (one.in === "query" && value !== "") {
        query.append(one.name, value);
      }
    }
    const text = query.toString();
    return root + filled + (text ? `?${text}` : "");
  }

  function tryOut(spec, path, method, operation) {
    const parameters = operation.parameters || [];
    const inputs = new Map();
    const rows = parameters.map((one) => {
      const input = make("input", { type: "text", "aria-label": `${one.name} (${one.in})`, placeholder: one.in });
      inputs.set(one, input);
      return make("tr", {}, make("td", {}, make("code", {}, one.name)), make("td", {}, input));
    });
    const content = (operation.requestBody || {}).content || {};
    const json = content["application/json"];
    const body = operation.requestBody ? make("textarea", { "aria-label": "Body", spellcheck: "false" }) : undefined;
    if (body && json) {
      const start = example(spec, json.schema);
      body.value = start === null ? "" : JSON.stringify(start, null, 2);
    }
    const send = make("button", { type: "button" }, "Send");
    const shown = make("pre", { hidden: true });
    send.addEventListener("click", async () => {
      send.setAttribute("disabled", "");
      shown.removeAttribute("hidden");
      shown.removeAttribute("class");
      shown.textContent = "…";
      try {
        const values = new Map([...inputs].map(([one, input]) => [one, input.value]));
        const target = address(path, parameters, values);
        if (new URL(target).origin !== location.origin) throw new Error("the address is not on this host");
        const headers = {};
        for (const [one, input] of inputs) if (one.in === "header" && input.value !== "") headers[one.name] = input.value;
        const options = { method: method.toUpperCase(), headers, redirect: "manual" };
        if (body && body.value !== "") {
          options.body = body.value;
          headers["content-type"] = "application/json";
        }
        const response = await fetch(target, options);
        const fields = [...response.headers].map(([name, value]) => `${name}: ${value}`);
        const text = await response.text();
        const cut = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
        shown.textContent = [`${options.method} ${target}`, "", `${response.status} ${response.statusText}`, ...fields, "", cut].join("\n");
      } catch (error) {
        shown.setAttribute("class", "failure");
        shown.textContent = String(error);
      } finally {
        send.removeAttribute("disabled");
      }
    });
    return [make("h3", {}, "Try it"), rows.length ? make("table", {}, rows) : undefined, body, make("p", {}, send), shown];
  }

  function route(spec, path, method, operation) {
    const inside = make("div", {});
    const block = make("details", { class: "route" },
      make("summary", {}, make("span", { class: "method" }, method.toUpperCase()), make("span", { class: "path" }, path),
        make("span", { class: "function" }, operation.summary || "")), inside);
    // Filled when it is opened: thousands of routes stay quick.
    block.addEventListener("toggle", () => {
      if (!block.open || inside.childNodes.length) return;
      if (operation.description) inside.append(make("p", { class: "description" }, operation.description));
      if ((operation.parameters || []).length) inside.append(make("h3", {}, "Parameters"), parameterTable(spec, operation.parameters));
      const json = operation.requestBody && operation.requestBody.content["application/json"];
      if (json) inside.append(make("h3", {}, "Request body"), ...schemaBlock(spec, json.schema));
      inside.append(make("h3", {}, "Responses"));
      for (const [status, given] of Object.entries(operation.responses || {})) {
        const response = resolve(spec, given);
        inside.append(make("p", {}, make("code", {}, status), ` ${response.description || ""}`));
        const schema = response.content && response.content["application/json"] && response.content["application/json"].schema;
        if (schema) inside.append(...schemaBlock(spec, schema));
      }
      inside.append(...tryOut(spec, path, method, operation).filter((one) => one !== undefined));
    });
    return block;
  }

  function show(spec) {
    document.title = spec.info.title;
    document.getElementById("title").textContent = `${spec.info.title} ${spec.info.version}`;
    document.getElementById("about").textContent = spec.info.description || "";
    const groups = new Map((spec.tags || []).map((tag) => [tag.name, []]));
    for (const [path, item] of Object.entries(spec.paths)) {
      for (const method of METHODS.filter((one) => Object.hasOwn(item, one))) {
        const operation = item[method];
        const tag = (operation.tags || [""])[0];
        if (!groups.has(tag)) groups.set(tag, []);
        const found = `${method} ${path} ${operation.summary || ""} ${tag}`.toLowerCase();
        groups.get(tag).push({ found, block: route(spec, path, method, operation) });
      }
    }
    const sections = [...groups].filter(([, routes]) => routes.length).map(([tag, routes]) => ({
      routes, block: make("section", {}, make("h2", {}, tag), routes.map((one) => one.block)),
    }));
    main.replaceChildren(...(sections.length ? sections.map((one) => one.block) : [make("p", {}, "No worker has registered a route.")]));
    const filter = document.getElementById("filter");
    filter.addEventListener("input", () => {
      const wanted = filter.value.trim().toLowerCase();
      for (const section of sections) {
        let any = false;
        for (const one of section.routes) {
          one.block.hidden = !one.found.includes(wanted);
          any = any || !one.block.hidden;
        }
        section.block.hidden = !any;
      }
    });
  }

  fetch(`${root}/openapi.json`)
    .then((response) => {
      if (!response.ok) throw new Error(`openapi.json: ${response.status}`);
      return response.json();
    })
    .then(show)
    .catch((error) => main.replaceChildren(make("p", { class: "failure" }, `The routes cannot be read: ${error}`)));
})();
