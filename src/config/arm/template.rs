//! Finds where a JSON file has the settings of sites: in a template, a resource, or by themselves.

use std::rc::Rc;

use super::{
    super::{
        diagnostic::Span,
        document::{Node, Table, Value},
    },
    evaluate::{Scope, Values, Work},
    parameters::Given,
    view::{View, entry},
};

/// The settings of one site, as one place has them.
pub(super) struct Site<'a> {
    /// The app's name, as far as it can be worked out: `shop`, or `shop/staging` for a slot.
    pub(super) app: Option<String>,
    pub(super) span: Span,
    /// What has `autoHealEnabled` and `autoHealRules` in it.
    pub(super) config: Option<View<'a>>,
    /// `autoHealRules` with something in it.
    pub(super) rules: Option<View<'a>>,
}

/// What was found in a file.
#[derive(Default)]
pub(super) struct Found<'a> {
    pub(super) sites: Vec<Site<'a>>,
    /// Templates that are in other files.
    pub(super) links: Vec<Span>,
    /// It is something in which a site could stand.
    pub(super) is_known: bool,
}

impl<'a> Found<'a> {
    /// Looks through a whole file.
    pub(super) fn of(root: &'a Node, given: &'a Given, work: &mut Work<'_>) -> Self {
        let mut found = Self::default();
        let scope = Rc::new(scope(root, Values::Files(given)));
        let view = View::new(root, &scope);
        match &root.value {
            Value::List(_) => {
                for item in view.items(work) {
                    found.anything(&item, work);
                }
            }
            _ => found.anything(&view, work),
        }
        found
    }

    fn anything(&mut self, view: &View<'a>, work: &mut Work<'_>) {
        if view.has("resources") && !view.has("type") {
            self.template(view, work);
        } else if view.has("type") || view.has("properties") {
            self.resource(view, None, work);
        } else if view.has("value") && !is_settings(view) {
            // What the REST interface answers to a question for several.
            self.is_known = true;
            if let Some(list) = view.get("value", work) {
                for item in list.items(work) {
                    self.resource(&item, None, work);
                }
            }
        } else {
            self.settings(view, None, work);
        }
    }

    fn template(&mut self, template: &View<'a>, work: &mut Work<'_>) {
        self.is_known = true;
        if let Some(scope) = &template.scope
            && let (Values::Files(given), Some(declared)) = (&scope.values, scope.declared)
        {
            given.warn_of_undeclared(declared, work.report);
        }
        let Some(resources) = template.get("resources", work) else {
            return;
        };
        for resource in resources.items(work) {
            self.resource(&resource, None, work);
        }
    }

    fn resource(&mut self, resource: &View<'a>, parent: Option<&Parent>, work: &mut Work<'_>) {
        if work.report.is_full() {
            return;
        }
        let written = resource.text("type", work).unwrap_or_default();
        let kind = match parent {
            Some(parent) if !written.contains('/') => format!("{}/{written}", parent.kind),
            _ => written,
        };
        let kind = kind.to_ascii_lowercase();
        if kind == "microsoft.resources/deployments" {
            self.deployment(resource, work);
            return;
        }
        let is_ours = kind.is_empty() || kind.starts_with("microsoft.web/sites");
        if !is_ours {
            self.is_known = true;
            return;
        }
        let app = app(resource, &kind, parent, work);
        let body = match resource.has("properties") {
            true => resource.get("properties", work),
            false => Some(resource.clone()),
        };
        if let Some(body) = body
            && is_deployed(resource, &body, work)
        {
            match kind.as_str() {
                "" => self.settings(&body, app.clone(), work),
                "microsoft.web/sites" | "microsoft.web/sites/slots" => {
                    self.is_known = true;
                    if let Some(config) = body.get("siteConfig", work) {
                        self.config(config, app.clone(), work);
                    } else if is_settings(&body) {
                        self.config(body, app.clone(), work);
                    }
                }
                _ if kind.ends_with("/config") => {
                    self.is_known = true;
                    self.config_resource(resource, body, app.clone(), work);
                }
                _ => self.is_known = true,
            }
        }
        let parent = Parent { kind, app };
        if let Some(children) = resource.get("resources", work) {
            for child in children.items(work) {
                self.resource(&child, Some(&parent), work);
            }
        }
    }

    /// `sites/config`: rules stand in the one that is named `web`.
    fn config_resource(
        &mut self,
        resource: &View<'a>,
        body: View<'a>,
        app: Option<String>,
        work: &mut Work<'_>,
    ) {
        let name = resource.text("name", work).unwrap_or_default();
        let last = name.rsplit('/').next().unwrap_or_default();
        let is_plain = !last.is_empty() && last.bytes().all(|b| b.is_ascii_alphanumeric());
        let is_web = last.eq_ignore_ascii_case("web");
        // What az prints of a site's settings is named like the site.
        let is_printed = !resource.has("properties") || resource.has("id");
        if is_plain && !is_web && !is_printed {
            if let Some(entry) = body.entry("autoHealRules") {
                work.report.error(
                    entry.key_span,
                    format!("App Service looks for rules in the config named web, not in {last}"),
                    "name this resource \"web\", or move autoHealRules to the one of that name",
                );
            }
            return;
        }
        self.config(body, app, work);
    }

    /// A deployment in the template: its own template may stand inside.
    fn deployment(&mut self, resource: &View<'a>, work: &mut Work<'_>) {
        self.is_known = true;
        let Some(body) = resource.get("properties", work) else {
            return;
        };
        if let Some(link) = body.entry("templateLink") {
            self.links.push(link.key_span);
        }
        let Some(mut template) = body.get("template", work) else {
            return;
        };
        let own = body
            .get("expressionEvaluationOptions", work)
            .and_then(|options| options.text("scope", work))
            .is_some_and(|scope| scope.eq_ignore_ascii_case("inner"));
        if let (true, Some(outer)) = (own, template.scope.clone())
            && let (std::borrow::Cow::Borrowed(node), std::borrow::Cow::Borrowed(body)) =
                (&template.node, &body.node)
        {
            let values = match &body.value {
                Value::Table(table) => table_of(table, "parameters"),
                _ => None,
            };
            let inner = scope(node, Values::Deployment(values, outer));
            template.scope = Some(Rc::new(inner));
        }
        self.template(&template, work);
    }

    /// Something that has no type: it is told by its keys.
    fn settings(&mut self, view: &View<'a>, app: Option<String>, work: &mut Work<'_>) {
        if let Some(config) = view.get("siteConfig", work) {
            self.is_known = true;
            self.config(config, app, work);
        } else if is_settings(view) {
            self.is_known = true;
            self.config(view.clone(), app, work);
        } else if view.has("triggers") || view.has("actions") {
            self.is_known = true;
            self.sites.push(Site {
                app,
                span: view.span(),
                config: None,
                rules: Some(view.clone()),
            });
        }
    }

    fn config(&mut self, config: View<'a>, app: Option<String>, work: &mut Work<'_>) {
        let rules = config.get("autoHealRules", work);
        let span = config
            .entry("autoHealRules")
            .map_or_else(|| config.span(), |entry| entry.key_span);
        self.sites.push(Site {
            app,
            span,
            config: Some(config),
            rules,
        });
    }
}

/// The resource that another one stands in.
struct Parent {
    kind: String,
    app: Option<String>,
}

fn is_settings(view: &View<'_>) -> bool {
    view.has("autoHealRules") || view.has("autoHealEnabled")
}

/// The name of the app that a resource is of.
fn app(
    resource: &View<'_>,
    kind: &str,
    parent: Option<&Parent>,
    work: &mut Work<'_>,
) -> Option<String> {
    let name = resource.text("name", work);
    let above = parent.and_then(|parent| parent.app.clone());
    let is_config = kind.ends_with("/config");
    match (above, name) {
        (Some(above), _) if is_config => Some(above),
        (Some(above), Some(name)) if !name.contains('/') => Some(format!("{above}/{name}")),
        (_, Some(name)) if is_config => {
            let (app, _) = name.rsplit_once('/').unwrap_or((&name, ""));
            Some(app.to_owned())
        }
        (_, name) => name,
    }
}

/// Whether the resource's condition lets it be; one that can't be worked out does.
fn is_deployed(resource: &View<'_>, body: &View<'_>, work: &mut Work<'_>) -> bool {
    let condition = work.quietly(|work| resource.get("condition", work));
    let Some(Value::Flag(false)) = condition.map(|view| view.node.value.clone()) else {
        return true;
    };
    let inner = work.quietly(|work| body.get("siteConfig", work));
    let has_rules = body.has("autoHealRules") || inner.is_some_and(|c| c.has("autoHealRules"));
    if let (true, Some(entry)) = (has_rules, resource.entry("condition")) {
        work.report.warning(
            entry.key_span,
            "this site is not deployed, as its condition is false: its rules are passed over",
            "give the values that make the condition true in a parameters file",
        );
    }
    false
}

fn scope<'a>(template: &'a Node, values: Values<'a>) -> Scope<'a> {
    let (declared, variables) = match &template.value {
        Value::Table(table) => (table_of(table, "parameters"), table_of(table, "variables")),
        _ => (None, None),
    };
    Scope {
        declared,
        variables,
        values,
    }
}

fn table_of<'a>(table: &'a Table, key: &str) -> Option<&'a Table> {
    match &entry(table, key)?.node.value {
        Value::Table(table) => Some(table),
        _ => None,
    }
}
