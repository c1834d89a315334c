//! The apps as one shard serves them.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::Front;
use super::forward::Forward;
use crate::ending::CutOff;
use crate::registry::{App, Directory, Registry};
use crate::shard::{Backend, Lanes, Local, Shard};
use crate::version::{AppId, Version, VersionId};

/// How long requests may be on their way from one thread to another, so that they find the
/// version that they began with as it was.
const ON_THE_WAY: Duration = Duration::from_millis(250);

/// An app, and what answers for it here.
pub(super) struct Served {
    pub(super) version: Arc<Version>,
    pub(super) backend: Rc<dyn Backend>,
    /// The same, where its isolates are on this thread.
    local: Option<Rc<Local>>,
}

/// What a shard knows of the registry. The directory is taken once, and again when there
/// is another one; what answers for an app is made when somebody asks for it.
pub(super) struct Apps {
    index: usize,
    shard: Rc<Shard>,
    lanes: Weak<Lanes<Front>>,
    registry: Arc<Registry>,
    number: Cell<u64>,
    known: RefCell<Known>,
    /// Versions that are ready to take over.
    prepared: RefCell<Vec<Rc<Local>>>,
    /// All that are on this thread, also those that finish what they have begun.
    locals: RefCell<HashMap<VersionId, std::rc::Weak<Local>>>,
}

#[derive(Default)]
struct Known {
    directory: Arc<Directory>,
    /// In the order of the directory.
    served: Vec<OnceCell<Rc<Served>>>,
}

impl Apps {
    /// For the shard that is number `index` among `lanes`.
    pub(super) fn new(
        index: usize,
        shard: Rc<Shard>,
        lanes: Weak<Lanes<Front>>,
        registry: Arc<Registry>,
    ) -> Self {
        // No directory that holds an app has this number.
        let number = Cell::new(0);
        Self {
            index,
            shard,
            lanes,
            registry,
            number,
            known: RefCell::default(),
            prepared: RefCell::default(),
            locals: RefCell::default(),
        }
    }

    /// What answers for an app, or for a host where none is named.
    pub(super) fn find<'a>(
        &self,
        app: Option<AppId>,
        host: impl FnOnce() -> Option<&'a str>,
    ) -> Option<Rc<Served>> {
        self.refresh();
        let known = self.known.borrow();
        let index = match app {
            Some(app) => known.directory.position(app)?,
            None => known.directory.find(host)?,
        };
        let served = known.served.get(index)?;
        Some(served.get_or_init(|| self.serve(&known.directory.apps()[index])).clone())
    }

    /// Starts an isolate of the only app. Of several nobody knows which are asked for.
    pub(super) fn warm(&self) {
        self.refresh();
        let known = self.known.borrow();
        if let ([app], [served]) = (known.directory.apps(), known.served.as_slice())
            && app.shards.contains(&self.index)
            && let Some(local) = &served.get_or_init(|| self.serve(app)).local
        {
            local.warm();
        }
    }

    /// Notices that there is another directory: what was replaced is let go.
    pub(super) fn refresh(&self) {
        if self.registry.number() == self.number.get() {
            return;
        }
        let (number, directory) = self.registry.directory();
        let old = self.known.take();
        let old = old.served.into_iter().filter_map(OnceCell::into_inner);
        let mut old: HashMap<VersionId, Rc<Served>> = old.map(|served| (served.version.id, served)).collect();
        let mut prepared = self.prepared.take();
        let served = directory.apps().iter().map(|app| {
            let id = app.version.id;
            let ready = prepared.iter().position(|local| local.version().id == id);
            let ready = ready.map(|at| Rc::new(Served::here(prepared.swap_remove(at))));
            old.remove(&id).or(ready).map(OnceCell::from).unwrap_or_default()
        });
        let served = served.collect();
        self.known.replace(Known { directory, served });
        self.prepared.replace(prepared);
        self.number.set(number);
        // A request that began with one of these may be on its way from another thread.
        let replaced: Vec<_> = old.into_values().filter(|served| served.local.is_some()).collect();
        if !replaced.is_empty() && self.lanes.upgrade().is_some_and(|lanes| lanes.len() > 1) {
            tokio::task::spawn_local(async move {
                tokio::time::sleep(ON_THE_WAY).await;
                drop(replaced);
            });
        }
    }

    /// What answers for an app: isolates of this thread, or another one.
    fn serve(&self, app: &App) -> Rc<Served> {
        Rc::new(if app.shards.contains(&self.index) {
            Served::here(self.local(&app.version))
        } else {
            let backend = Rc::new(Forward::new(self.lanes.clone(), app.id, app.shards.clone()));
            Served { version: app.version.clone(), backend, local: None }
        })
    }

    /// The isolates of an app's version on this thread, also of one that is current no more.
    pub(super) fn of_app(&self, app: AppId, version: &Arc<Version>) -> Rc<Local> {
        self.refresh();
        let known = self.known.borrow();
        // What is current is kept for the next request.
        let current = known.directory.position(app).filter(|index| {
            let app = &known.directory.apps()[*index];
            app.version.id == version.id && app.shards.contains(&self.index)
        });
        let served = current.and_then(|index| {
            let served = known.served.get(index)?;
            served.get_or_init(|| self.serve(&known.directory.apps()[index])).local.clone()
        });
        served.unwrap_or_else(|| self.local(version))
    }

    /// The isolates of a version on this thread; they end with what is returned, unless that
    /// is kept.
    pub(super) fn local(&self, version: &Arc<Version>) -> Rc<Local> {
        let mut locals = self.locals.borrow_mut();
        if let Some(local) = locals.get(&version.id).and_then(std::rc::Weak::upgrade) {
            return local;
        }
        locals.retain(|_, local| local.strong_count() > 0);
        let local = Local::new(&self.shard, version);
        locals.insert(version.id, Rc::downgrade(&local));
        local
    }

    /// How many requests to each app have no answer yet.
    pub(super) fn unanswered(&self) -> Vec<CutOff> {
        let locals: Vec<_> = self.locals.borrow().values().filter_map(std::rc::Weak::upgrade).collect();
        let of = |local: &Rc<Local>| CutOff {
            app: local.version().name.clone(),
            requests: local.unanswered(),
            ..CutOff::default()
        };
        locals.iter().map(of).collect()
    }

    /// Keeps what is ready to take over, until it does.
    pub(super) fn prepared(&self, local: Rc<Local>) {
        self.prepared.borrow_mut().push(local);
    }

    /// Lets go what will not take over.
    pub(super) fn give_up(&self, version: &Arc<Version>) {
        let mut prepared = self.prepared.take();
        prepared.retain(|local| local.version().id != version.id);
        self.prepared.replace(prepared);
    }
}

impl Served {
    fn here(local: Rc<Local>) -> Self {
        Self { version: local.version().clone(), backend: local.clone(), local: Some(local) }
    }
}
